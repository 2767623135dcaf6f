-- Scripts that are being asked for their arguments. The id is the update that began it.

CREATE TABLE dialogs (
    id         BIGINT PRIMARY KEY,
    chat_id    BIGINT NOT NULL,
    asker_id   BIGINT NOT NULL,
    step       BIGINT NOT NULL,
    phase      TEXT   NOT NULL,
    payload    TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_by   BIGINT
);
CREATE UNIQUE INDEX dialogs_open ON dialogs (chat_id, asker_id) WHERE phase = 'open';
CREATE INDEX dialogs_expires ON dialogs (expires_at);
