-- Incidents, the messages that tell them, silences, and who is told.

CREATE TABLE incident_facts (
    name  TEXT   PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO incident_facts (name, value) VALUES ('number', 0);

CREATE TABLE incidents (
    id            BIGINT PRIMARY KEY,
    check_name    TEXT   NOT NULL,
    host          TEXT   NOT NULL,
    topic         TEXT   NOT NULL,
    severity      TEXT   NOT NULL,
    worst         TEXT   NOT NULL,
    value         DOUBLE PRECISION,
    worst_value   DOUBLE PRECISION,
    unit          TEXT   NOT NULL,
    note          TEXT,
    limit_value   DOUBLE PRECISION,
    unread        BIGINT NOT NULL,
    flapping      BIGINT NOT NULL,
    began_at      BIGINT NOT NULL,
    raised_at     BIGINT NOT NULL,
    cleared_at    BIGINT,
    acked_by      TEXT,
    acked_at      BIGINT,
    snoozed_until BIGINT,
    snoozed_by    TEXT,
    fixed_at      BIGINT,
    settled       BIGINT NOT NULL
);
CREATE INDEX incidents_unsettled ON incidents (id) WHERE settled = 0;
CREATE INDEX incidents_check ON incidents (check_name, id);
CREATE INDEX incidents_cleared ON incidents (cleared_at);
CREATE INDEX incidents_raised ON incidents (raised_at);
CREATE INDEX incidents_fixed ON incidents (check_name, fixed_at) WHERE fixed_at IS NOT NULL;

CREATE TABLE incident_messages (
    id        BIGINT PRIMARY KEY,
    chat_id   BIGINT NOT NULL,
    thread_id BIGINT NOT NULL,
    kind      TEXT   NOT NULL,
    members   TEXT   NOT NULL,
    revision  BIGINT NOT NULL,
    withdrawn BIGINT NOT NULL,
    made_at   BIGINT NOT NULL
);
CREATE INDEX incident_messages_withdrawn ON incident_messages (id) WHERE withdrawn = 1;
CREATE INDEX incident_messages_made ON incident_messages (made_at);

CREATE TABLE incident_tellings (
    incident  BIGINT NOT NULL,
    chat_id   BIGINT NOT NULL,
    thread_id BIGINT NOT NULL,
    state     TEXT   NOT NULL,
    due_at    BIGINT NOT NULL,
    held      TEXT,
    message   BIGINT,
    told_at   BIGINT,
    told_as   TEXT,
    times     BIGINT NOT NULL,
    PRIMARY KEY (incident, chat_id, thread_id)
);
CREATE INDEX incident_tellings_message ON incident_tellings (message);

CREATE TABLE silences (
    id         BIGINT PRIMARY KEY,
    kind       TEXT   NOT NULL,
    pattern    TEXT   NOT NULL,
    host       TEXT,
    until_at   BIGINT NOT NULL,
    reason     TEXT,
    by_id      BIGINT NOT NULL,
    by_name    TEXT   NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX silences_until ON silences (until_at);

CREATE TABLE subscriptions (
    chat_id    BIGINT NOT NULL,
    thread_id  BIGINT NOT NULL,
    topic      TEXT   NOT NULL,
    severity   TEXT   NOT NULL,
    by_id      BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (chat_id, thread_id, topic)
);

CREATE TABLE quiet_hours (
    chat_id   BIGINT NOT NULL,
    thread_id BIGINT NOT NULL,
    from_min  BIGINT NOT NULL,
    to_min    BIGINT NOT NULL,
    zone      TEXT   NOT NULL,
    PRIMARY KEY (chat_id, thread_id)
);

CREATE TABLE broadcasts (
    id         BIGINT PRIMARY KEY,
    source     TEXT   NOT NULL UNIQUE,
    chat_id    BIGINT NOT NULL,
    thread_id  BIGINT NOT NULL,
    total      BIGINT NOT NULL,
    told       TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    ended_at   BIGINT
);
CREATE INDEX broadcasts_open ON broadcasts (id) WHERE ended_at IS NULL;
