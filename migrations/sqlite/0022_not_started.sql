-- Why the newest run of a schedule could not start, as it was told: the same is not told twice. Nothing once one starts.

ALTER TABLE schedules ADD COLUMN not_started TEXT;
