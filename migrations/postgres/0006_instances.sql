-- Instances that share this database. Their times are the database's: no clock of theirs is compared with another's.

CREATE TABLE instances (
    id            TEXT   PRIMARY KEY,
    host          TEXT   NOT NULL,
    place         TEXT   NOT NULL,
    pid           BIGINT NOT NULL,
    process_start BIGINT NOT NULL,
    marker        TEXT   NOT NULL,
    version       TEXT   NOT NULL,
    started_at    BIGINT NOT NULL,
    heartbeat_at  BIGINT NOT NULL,
    alone         BIGINT NOT NULL,
    dead          BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE lease (
    name     TEXT   PRIMARY KEY,
    holder   TEXT   NOT NULL,
    epoch    BIGINT NOT NULL,
    since_at BIGINT NOT NULL,
    until_at BIGINT NOT NULL
);
INSERT INTO lease (name, holder, epoch, since_at, until_at) VALUES ('leader', '', 0, 0, 0);

CREATE TABLE facts (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE live (
    slot       TEXT   PRIMARY KEY,
    instance   TEXT   NOT NULL,
    chat_id    BIGINT NOT NULL,
    payload    TEXT   NOT NULL,
    updated_at BIGINT NOT NULL
);

ALTER TABLE jobs ADD COLUMN claimed_by TEXT;
ALTER TABLE jobs ADD COLUMN cancel_by TEXT;
