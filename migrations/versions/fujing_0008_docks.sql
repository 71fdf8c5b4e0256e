-- A docking station (采集工作站) is a principal of its own: it signs in, and declares footage for the wearer it names.
ALTER TABLE person DROP CONSTRAINT person_kind_check;
ALTER TABLE person ADD CONSTRAINT person_kind_check
    CHECK (kind IN ('officer', 'duty_auxiliary', 'civilian_auxiliary', 'staff', 'dock'));

-- Where the declared start comes from: the camera's clock, or what the file says of itself, which is kept, not trusted.
ALTER TABLE recording ADD COLUMN time_source text NOT NULL DEFAULT 'clock'
    CHECK (time_source IN ('clock', 'metadata', 'file_name', 'file_time'));
