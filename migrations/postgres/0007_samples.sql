-- What was measured of each machine. A row of samples is one look, or what several looks came to: 10 s, 60 s or 900 s wide
-- (step, in seconds). What its values are called stands in the row of sample_heads that it names, so that names are written
-- once and not with every row.

CREATE TABLE sample_heads (
    id      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    host    TEXT   NOT NULL,
    digest  TEXT   NOT NULL,
    boot    TEXT   NOT NULL,
    series  TEXT   NOT NULL,
    seen_at BIGINT NOT NULL,
    UNIQUE (host, digest)
);
CREATE INDEX sample_heads_seen ON sample_heads (host, seen_at);

CREATE TABLE samples (
    host   TEXT   NOT NULL,
    step   BIGINT NOT NULL,
    at     BIGINT NOT NULL,
    head   BIGINT NOT NULL,
    looks  BIGINT NOT NULL,
    points TEXT   NOT NULL,
    PRIMARY KEY (host, step, at)
);
