-- Of a schedule that follows another place, such as GitHub: what was seen there.

ALTER TABLE schedules ADD COLUMN seen TEXT;
