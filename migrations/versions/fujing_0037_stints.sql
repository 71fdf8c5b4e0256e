-- A person has a history: who served where, as what and under which badge number, from one day to another.
-- A badge number is a name of somebody for a time; the person is the id. See docs/adr/0037.

CREATE TABLE stint (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    badge text NOT NULL CHECK (badge ~ '^[A-Za-z0-9-]{1,20}$'),
    name text NOT NULL CHECK (name <> ''),
    kind text NOT NULL CHECK (kind IN ('officer', 'duty_auxiliary', 'civilian_auxiliary', 'staff', 'dock')),
    organ text NOT NULL REFERENCES organ ON DELETE RESTRICT,
    during daterange NOT NULL CHECK (NOT isempty(during) AND NOT lower_inf(during)),
    source text NOT NULL CHECK (source <> ''),
    -- Deferrable: the import of a roster puts an end and a beginning in one transaction, in any order.
    EXCLUDE USING gist (person WITH =, during WITH &&) DEFERRABLE,
    EXCLUDE USING gist (badge WITH =, during WITH &&) DEFERRABLE
);
CREATE INDEX stint_person ON stint (person);
CREATE INDEX stint_badge ON stint (badge);
CREATE INDEX stint_organ ON stint (organ);

INSERT INTO stint (person, badge, name, kind, organ, during, source)
SELECT id, badge, name, kind, organ, daterange(serves_from, serves_until, '[]'), 'import' FROM person;

ALTER TABLE person DROP COLUMN badge, DROP COLUMN name, DROP COLUMN kind, DROP COLUMN organ, DROP COLUMN serves_from,
    DROP COLUMN serves_until;

-- Each person as they are today: the stint of today, else the newest past one, else the first to come. Written so that
-- a condition on any column reaches an index of `stint`.
CREATE VIEW person_now AS
SELECT s.person AS id, s.badge, s.name, s.kind, s.organ, lower(s.during) AS serves_from,
    upper(s.during) - 1 AS serves_until
FROM stint s
WHERE NOT EXISTS (
    SELECT FROM stint o WHERE o.person = s.person AND CASE
        WHEN lower(s.during) <= (now() AT TIME ZONE 'Asia/Shanghai')::date
        THEN lower(o.during) > lower(s.during) AND lower(o.during) <= (now() AT TIME ZONE 'Asia/Shanghai')::date
        ELSE lower(o.during) < lower(s.during) END);

-- The organ in which a person served at a moment, by the calendar of China; where they served nowhere then, the one
-- before or after that is nearest. Null: no such person.
CREATE FUNCTION organ_at(whose uuid, at timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT s.organ FROM stint s, (SELECT (at AT TIME ZONE 'Asia/Shanghai')::date AS is) AS day
    WHERE s.person = whose
    ORDER BY CASE WHEN day.is < lower(s.during) THEN lower(s.during) - day.is
        WHEN day.is >= upper(s.during) THEN day.is - upper(s.during) + 1 ELSE 0 END, lower(s.during)
    LIMIT 1
$$;

-- What somebody who left sends, and nobody can judge: a person decides, as about what a revoked device sends.
ALTER TABLE held_entry DROP CONSTRAINT held_entry_reason_check;
ALTER TABLE held_entry ADD CONSTRAINT held_entry_reason_check
    CHECK (reason IN ('unknown_reference', 'device_revoked', 'after_service'));
