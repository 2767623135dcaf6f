-- Persons, groups and rights that are managed from the chat or the command line; who was seen; invitations.

ALTER TABLE members ADD COLUMN source TEXT NOT NULL DEFAULT 'claimed';
ALTER TABLE members ADD COLUMN added_by_name TEXT NOT NULL DEFAULT '';
ALTER TABLE members ADD COLUMN until BIGINT;
ALTER TABLE members ADD COLUMN fallback TEXT;

-- One row. Whoever changes a right counts it up first, which also holds the next one back until the commit.
CREATE TABLE access_version (
    id      BIGINT PRIMARY KEY,
    version BIGINT NOT NULL
);
INSERT INTO access_version (id, version) VALUES (1, 0);

CREATE TABLE script_rights (
    user_id       BIGINT NOT NULL,
    script        TEXT   NOT NULL,
    until         BIGINT,
    added_by      BIGINT NOT NULL,
    added_by_name TEXT   NOT NULL,
    added_at      BIGINT NOT NULL,
    PRIMARY KEY (user_id, script)
);

-- thread_id 0 is the group as a whole.
CREATE TABLE ceilings (
    chat_id       BIGINT NOT NULL,
    thread_id     BIGINT NOT NULL,
    role          TEXT   NOT NULL,
    added_by      BIGINT NOT NULL,
    added_by_name TEXT   NOT NULL,
    added_at      BIGINT NOT NULL,
    PRIMARY KEY (chat_id, thread_id)
);

CREATE TABLE places (
    chat_id   BIGINT NOT NULL,
    thread_id BIGINT NOT NULL,
    title     TEXT   NOT NULL,
    present   BIGINT NOT NULL,
    seen_at   BIGINT NOT NULL,
    PRIMARY KEY (chat_id, thread_id)
);
CREATE INDEX places_seen ON places (seen_at);

CREATE TABLE people (
    user_id  BIGINT PRIMARY KEY,
    name     TEXT   NOT NULL,
    username TEXT,
    private  BIGINT NOT NULL,
    ignored  BIGINT NOT NULL DEFAULT 0,
    seen_at  BIGINT NOT NULL
);
CREATE INDEX people_username ON people (username) WHERE username IS NOT NULL;
CREATE INDEX people_seen ON people (seen_at);

CREATE TABLE invites (
    id            BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash          TEXT   NOT NULL UNIQUE,
    role          TEXT   NOT NULL,
    added_by      BIGINT NOT NULL,
    added_by_name TEXT   NOT NULL,
    added_at      BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL,
    closed_at     BIGINT,
    used_by       BIGINT
);
CREATE INDEX invites_expires ON invites (expires_at);

-- Strangers' messages after the first of an hour, counted until the hour is over and a line of the trail tells it.
CREATE TABLE knocks (
    user_id BIGINT NOT NULL,
    hour    BIGINT NOT NULL,
    name    TEXT   NOT NULL,
    chat_id BIGINT NOT NULL,
    knocks  BIGINT NOT NULL,
    PRIMARY KEY (user_id, hour)
);

CREATE INDEX audit_actor ON audit (actor_id, id);
CREATE INDEX audit_refused ON audit (id) WHERE result = 'refused';

-- The trail is only ever added to; what is removed is older than ten months.
CREATE FUNCTION audit_is_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'lines of the audit trail are never changed';
END $$;
CREATE FUNCTION audit_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF old.at > (EXTRACT(EPOCH FROM now())::BIGINT - 300 * 86400) * 1000 THEN
        RAISE EXCEPTION 'lines of the audit trail are kept for a year';
    END IF;
    RETURN old;
END $$;
CREATE TRIGGER audit_is_fixed BEFORE UPDATE ON audit FOR EACH ROW EXECUTE FUNCTION audit_is_fixed();
CREATE TRIGGER audit_is_whole BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_is_fixed();
CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_is_kept();
