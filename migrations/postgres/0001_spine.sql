-- Times are milliseconds since 1970 UTC, flags 0 or 1, JSON is text.

CREATE TABLE inbox (
    update_id   BIGINT PRIMARY KEY,
    payload     TEXT   NOT NULL,
    received_at BIGINT NOT NULL,
    handled_at  BIGINT
);
CREATE INDEX inbox_open ON inbox (received_at) WHERE handled_at IS NULL;
CREATE INDEX inbox_handled ON inbox (handled_at);

CREATE TABLE jobs (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        TEXT   NOT NULL,
    payload     TEXT   NOT NULL,
    title       TEXT   NOT NULL,
    state       TEXT   NOT NULL,
    role        TEXT   NOT NULL,
    asker_id    BIGINT NOT NULL,
    asker_name  TEXT   NOT NULL,
    chat_id     BIGINT NOT NULL,
    thread_id   BIGINT,
    reply_to    BIGINT,
    source      TEXT   NOT NULL UNIQUE,
    retry_of    BIGINT,
    request_id  TEXT   NOT NULL,
    lane        TEXT   NOT NULL,
    lane_limit  BIGINT NOT NULL,
    user_limit  BIGINT NOT NULL,
    after_crash TEXT   NOT NULL,
    output      TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    started_at  BIGINT,
    finished_at BIGINT,
    starts      BIGINT NOT NULL DEFAULT 0,
    exit_code   BIGINT,
    signal      BIGINT,
    reason      TEXT,
    ended_by    TEXT,
    log_bytes   BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX jobs_open ON jobs (state, id) WHERE state IN ('queued', 'running');
CREATE INDEX jobs_failed ON jobs (id) WHERE state IN ('failed', 'timed_out', 'lost');
CREATE INDEX jobs_asker ON jobs (asker_id, id);
CREATE INDEX jobs_title ON jobs (title, id);
CREATE INDEX jobs_retry ON jobs (retry_of) WHERE retry_of IS NOT NULL;
CREATE INDEX jobs_finished ON jobs (finished_at);

CREATE TABLE outbox (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    chat_id    BIGINT NOT NULL,
    payload    TEXT   NOT NULL,
    slot       TEXT,
    state      TEXT   NOT NULL,
    attempts   BIGINT NOT NULL DEFAULT 0,
    reason     TEXT,
    source     TEXT   UNIQUE,
    created_at BIGINT NOT NULL,
    done_at    BIGINT,
    message_id BIGINT
);
CREATE INDEX outbox_pending ON outbox (chat_id, id) WHERE state = 'pending';
CREATE INDEX outbox_done ON outbox (done_at);

CREATE TABLE slots (
    slot       TEXT   PRIMARY KEY,
    chat_id    BIGINT NOT NULL,
    message_id BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX slots_updated ON slots (updated_at);

CREATE TABLE chats (
    chat_id    BIGINT PRIMARY KEY,
    state      TEXT   NOT NULL,
    reason     TEXT,
    moved_to   BIGINT,
    updated_at BIGINT NOT NULL
);

CREATE TABLE members (
    user_id  BIGINT PRIMARY KEY,
    name     TEXT   NOT NULL,
    role     TEXT   NOT NULL,
    added_by BIGINT NOT NULL,
    added_at BIGINT NOT NULL
);

CREATE TABLE intents (
    id         TEXT   PRIMARY KEY,
    payload    TEXT   NOT NULL,
    chat_id    BIGINT NOT NULL,
    asker_id   BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at    BIGINT
);
CREATE INDEX intents_expires ON intents (expires_at);

CREATE TABLE audit (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         BIGINT NOT NULL,
    actor_id   BIGINT NOT NULL,
    actor_name TEXT   NOT NULL,
    chat_id    BIGINT NOT NULL,
    channel    TEXT   NOT NULL,
    action     TEXT   NOT NULL,
    target     TEXT   NOT NULL,
    arguments  TEXT   NOT NULL,
    result     TEXT   NOT NULL,
    reason     TEXT,
    request_id TEXT   NOT NULL
);
CREATE INDEX audit_at ON audit (at);
