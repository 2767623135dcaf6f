-- Whom a step asks in their private chats, as JSON: what becomes of the question is shown there, too.

ALTER TABLE workflow_steps ADD COLUMN asked TEXT;
