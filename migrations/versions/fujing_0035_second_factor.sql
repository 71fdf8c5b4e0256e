-- A session knows when its person gave a second factor, and a key for whom alone its device was registered.

ALTER TABLE session ADD COLUMN factor_at timestamptz;
UPDATE session s SET factor_at = s.opened_at FROM desk_session d
WHERE d.session = s.id AND d.factor_given AND s.ended_at IS NULL;

-- The code names the person; the key keeps them, and the application's role cannot alter it.
ALTER TABLE enrolment_code ADD COLUMN person uuid REFERENCES person ON DELETE RESTRICT;
ALTER TABLE device_key ADD COLUMN person uuid REFERENCES person ON DELETE RESTRICT;
