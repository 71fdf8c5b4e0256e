-- Complaints about auxiliaries (R.34), and what auxiliaries themselves raise (R.13, 27, 39). Who complained, how to
-- reach them and what was said stand here only, for erasing when their term is over; the journal holds ids and codes.

-- Against a person, a shift, or a place and time. `version` rises with each step.
CREATE TABLE complaint (
    id uuid PRIMARY KEY,
    organ text NOT NULL REFERENCES organ ON DELETE RESTRICT,
    channel text NOT NULL CHECK (channel IN ('desk', 'phone', 'hotline_12389', 'letter', 'online')),
    anonymous boolean NOT NULL,
    complainant text,
    contact text,
    words text NOT NULL,
    case_ref text,
    shift uuid REFERENCES shift ON DELETE RESTRICT,
    place jsonb,
    radius_m integer CHECK (radius_m > 0),
    started_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL,
    during tstzrange GENERATED ALWAYS AS (tstzrange(started_at, ended_at, '[]')) STORED,
    taken_by uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    received_at timestamptz NOT NULL,
    notice_by timestamptz NOT NULL,
    end_by timestamptz NOT NULL,
    noticed_at timestamptz,
    outcome text CHECK (outcome IN ('founded', 'partly', 'unfounded', 'withdrawn')),
    concluded_at timestamptz,
    fed_back_at timestamptz,
    version integer NOT NULL CHECK (version >= 1),
    CHECK (ended_at >= started_at),
    CHECK (NOT anonymous OR num_nonnulls(complainant, contact) = 0),
    CHECK (anonymous OR complainant IS NOT NULL),
    CHECK ((place IS NULL) = (radius_m IS NULL)),
    CHECK ((outcome IS NULL) = (concluded_at IS NULL)),
    CHECK (fed_back_at IS NULL OR concluded_at IS NOT NULL)
);
CREATE INDEX complaint_organ ON complaint (organ, received_at);
CREATE INDEX complaint_taken ON complaint (taken_by);
CREATE INDEX complaint_end ON complaint (end_by) WHERE outcome IS NULL;

-- Whom it is about: named at once, or found out later.
CREATE TABLE complaint_person (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    complaint uuid NOT NULL REFERENCES complaint ON DELETE RESTRICT,
    person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    UNIQUE (complaint, person)
);
CREATE INDEX complaint_person_of ON complaint_person (person);

CREATE TABLE complaint_step (
    id uuid PRIMARY KEY,
    complaint uuid NOT NULL REFERENCES complaint ON DELETE RESTRICT,
    version integer NOT NULL CHECK (version > 1),
    step text NOT NULL CHECK (step IN ('notify', 'identify', 'step_aside', 'extend', 'conclude', 'feed_back')),
    by_person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    at timestamptz NOT NULL,
    words text NOT NULL,
    how text CHECK (how IN ('in_person', 'telephone', 'letter', 'message')),
    until_at timestamptz,
    UNIQUE (complaint, version),
    CHECK ((step IN ('notify', 'feed_back')) = (how IS NOT NULL)),
    CHECK ((step = 'extend') = (until_at IS NOT NULL))
);
CREATE UNIQUE INDEX complaint_extended_once ON complaint_step (complaint) WHERE step = 'extend';

-- Who may not handle it: whom it is about, whoever they named as leading then (unless they said no), whoever is recused from its case or
-- said that they must step aside.
CREATE FUNCTION may_not_handle(asked uuid, who uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM complaint_person p WHERE p.complaint = asked AND p.person = who)
    OR EXISTS (SELECT FROM complaint c JOIN complaint_person p ON p.complaint = c.id
        JOIN supervision s ON s.auxiliary = p.person AND s.during && c.during
        WHERE c.id = asked AND s.officer = who AND s.answer IS DISTINCT FROM 'declined')
    OR EXISTS (SELECT FROM complaint_step s WHERE s.complaint = asked AND s.step = 'step_aside' AND s.by_person = who)
    OR EXISTS (SELECT FROM complaint c JOIN recused r ON r.case_key = case_key(c.case_ref) WHERE c.id = asked
        AND r.person = who AND r.standing IN ('standing_aside', 'granted') AND r.during @> now())
$$;

-- A suggestion, an appeal, or harassment of an auxiliary or a close relative.
CREATE TABLE matter (
    id uuid PRIMARY KEY,
    person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    organ text NOT NULL REFERENCES organ ON DELETE RESTRICT,
    kind text NOT NULL CHECK (kind IN ('suggestion', 'appeal', 'harassment')),
    against uuid REFERENCES person ON DELETE RESTRICT,
    of_relative boolean NOT NULL,
    words text NOT NULL,
    raised_at timestamptz NOT NULL,
    answer_by timestamptz NOT NULL,
    answered_by uuid REFERENCES person ON DELETE RESTRICT,
    answered_at timestamptz,
    answer text,
    CHECK (num_nonnulls(answered_by, answered_at, answer) IN (0, 3)),
    CHECK (answered_by <> person AND answered_by <> against),
    CHECK (against <> person),
    CHECK (kind = 'harassment' OR NOT of_relative)
);
CREATE INDEX matter_person ON matter (person, raised_at);
CREATE INDEX matter_organ ON matter (organ, raised_at);

-- Footage that shows it.
CREATE TABLE matter_recording (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    matter uuid NOT NULL REFERENCES matter ON DELETE RESTRICT DEFERRABLE INITIALLY DEFERRED,
    recording uuid NOT NULL REFERENCES upload ON DELETE RESTRICT,
    UNIQUE (matter, recording)
);

-- As in 0020, and complaints until they are concluded and told, and matters until they are answered.
CREATE OR REPLACE VIEW open_matter AS
SELECT i.id FROM injury i
WHERE i.window_until > now() OR i.recognition NOT IN ('not_accepted', 'recognised', 'treated_as', 'not_recognised')
    OR EXISTS (SELECT FROM advance_item x WHERE x.injury = i.id AND x.state IN ('requested', 'approved', 'paid', 'settling'))
UNION ALL SELECT c.id FROM complaint c WHERE c.outcome IS NULL OR (c.fed_back_at IS NULL AND NOT c.anonymous)
UNION ALL SELECT m.id FROM matter m WHERE m.answered_at IS NULL;
