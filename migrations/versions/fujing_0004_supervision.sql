-- Which officer led whom, when. R.10: a named officer leads; R.7: the record says who.

CREATE TABLE supervision (
    id uuid PRIMARY KEY,
    auxiliary uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    officer uuid NOT NULL REFERENCES person ON DELETE RESTRICT CHECK (officer <> auxiliary),
    organ text NOT NULL REFERENCES organ ON DELETE RESTRICT,
    handed_over_from uuid REFERENCES supervision ON DELETE RESTRICT,
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    ended_by text CHECK (ended_by IN ('end', 'decline', 'next')),
    in_force boolean NOT NULL,
    answer text CHECK (answer IN ('confirmed', 'declined')),
    answered_at timestamptz,
    leads_from timestamptz,
    during tstzrange GENERATED ALWAYS AS (tstzrange(started_at, ended_at)) STORED,
    CHECK (ended_at >= started_at),
    CHECK ((ended_at IS NULL) = (ended_by IS NULL)),
    CHECK ((answer IS NULL) = (answered_at IS NULL)),
    CHECK ((answer IS NOT DISTINCT FROM 'confirmed') = (leads_from IS NOT NULL)),
    CHECK (leads_from >= started_at),
    CONSTRAINT supervision_one_leader_at_a_time
        EXCLUDE USING gist (auxiliary WITH =, during WITH &&) WHERE (in_force) DEFERRABLE
);
CREATE INDEX supervision_auxiliary ON supervision (auxiliary, started_at);
CREATE INDEX supervision_officer ON supervision (officer, started_at);
CREATE INDEX supervision_organ ON supervision (organ, started_at);
CREATE INDEX supervision_during ON supervision USING gist (auxiliary, during);

-- What officers and auxiliaries said about a naming, each fact once; the row above holds what follows from them.
CREATE TABLE supervision_answer (
    id uuid PRIMARY KEY,
    supervision uuid NOT NULL REFERENCES supervision ON DELETE RESTRICT,
    answer text NOT NULL CHECK (answer IN ('confirmed', 'declined')),
    at timestamptz NOT NULL,
    leads_from timestamptz
);
CREATE INDEX supervision_answer_of ON supervision_answer (supervision, at, id);

CREATE TABLE supervision_end (
    id uuid PRIMARY KEY,
    supervision uuid NOT NULL REFERENCES supervision ON DELETE RESTRICT,
    by_person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    at timestamptz NOT NULL
);
CREATE INDEX supervision_end_of ON supervision_end (supervision, at, id);

-- Leading as it counts: from the naming unless the officer said later, within the auxiliary's shifts in force, and no
-- further than the first check-out after it: the next duty's leader is named anew.
CREATE VIEW led AS
SELECT s.id AS supervision, s.auxiliary, s.officer, s.answer IS NOT DISTINCT FROM 'confirmed' AS confirmed,
    (SELECT coalesce(range_agg(h.during), '{}') FROM shift h
        WHERE h.person = s.auxiliary AND h.in_force AND h.during && s.during)
    * CASE WHEN b.ends <= b.starts THEN '{}'::tstzmultirange ELSE tstzmultirange(tstzrange(b.starts, b.ends)) END AS during
FROM supervision s CROSS JOIN LATERAL (
    SELECT coalesce(s.leads_from, s.started_at) AS starts, least(s.ended_at, (
        SELECT min(h.ended_at) FROM shift h
        WHERE h.person = s.auxiliary AND h.in_force AND h.ended_by = 'check_out' AND h.ended_at > s.started_at
    )) AS ends
) b
WHERE s.in_force AND s.answer IS DISTINCT FROM 'declined';
