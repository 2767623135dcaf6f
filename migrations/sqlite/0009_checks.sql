-- Where each check stands, one row for each machine that looks.

CREATE TABLE checks (
    host       TEXT   NOT NULL,
    name       TEXT   NOT NULL,
    topic      TEXT   NOT NULL,
    version    BIGINT NOT NULL,
    state      TEXT   NOT NULL,
    memory     TEXT   NOT NULL,
    reading    TEXT   NOT NULL,
    since_at   BIGINT,
    due_at     BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (host, name)
);
CREATE INDEX jobs_lost ON jobs (finished_at) WHERE state = 'lost';
CREATE INDEX jobs_succeeded ON jobs (title, finished_at) WHERE state = 'succeeded';
