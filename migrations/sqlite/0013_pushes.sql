-- What came by push, one row for each check that waits for some.

CREATE TABLE pushes (
    name         TEXT   NOT NULL PRIMARY KEY,
    number       BIGINT NOT NULL,
    pushed_at    BIGINT NOT NULL,
    succeeded_at BIGINT,
    failed_at    BIGINT,
    failure      TEXT,
    began_at     BIGINT,
    took         BIGINT
);
