-- When whoever leads last heard people: then what Telegram had for the bot was taken in.

ALTER TABLE lease ADD COLUMN heard_at BIGINT NOT NULL DEFAULT 0;
