-- Scripts that run by themselves: where each schedule stands; those made in the chat with what they are.

CREATE TABLE schedules (
    name        TEXT   PRIMARY KEY,
    script      TEXT   NOT NULL,
    timer       TEXT   NOT NULL,
    spec        TEXT,
    made_by     BIGINT,
    made_name   TEXT,
    chat_id     BIGINT,
    thread_id   BIGINT,
    made_at     BIGINT NOT NULL,
    anchor      BIGINT NOT NULL,
    settled     BIGINT NOT NULL,
    paused_at   BIGINT,
    paused_by   TEXT,
    paused_why  TEXT,
    last_due    BIGINT,
    last_fired  BIGINT,
    last_job    BIGINT,
    skipped     BIGINT NOT NULL DEFAULT 0,
    skip_why    TEXT,
    output_hash TEXT,
    retry_at    BIGINT,
    retry_of    BIGINT,
    retry_no    BIGINT
);

-- One row while everything is frozen.
CREATE TABLE frozen (
    id      BIGINT PRIMARY KEY,
    since   BIGINT NOT NULL,
    by_id   BIGINT NOT NULL,
    by_name TEXT   NOT NULL,
    reason  TEXT
);

-- Of a run of a schedule: what is told of it, and where.
ALTER TABLE jobs ADD COLUMN telling TEXT;
