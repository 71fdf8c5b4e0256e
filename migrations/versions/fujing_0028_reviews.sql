-- Footage is watched under a review, and every byte that is served is in the journal. DESIGN §7; 公通字〔2016〕14号.

-- A still frame of the footage, made at sealing, beside it in the store and locked as long.
ALTER TABLE recording ADD COLUMN poster_version text;

-- Footage that is watched only with the commander's yes, until that is lifted.
CREATE TABLE restriction (
    id uuid PRIMARY KEY,
    recording uuid NOT NULL REFERENCES recording ON DELETE RESTRICT,
    category text NOT NULL CHECK (category IN ('minor', 'sexual_offence', 'medical', 'home', 'mistake')),
    words text,
    marked_by uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    marked_at timestamptz NOT NULL,
    lifted_by uuid REFERENCES person ON DELETE RESTRICT,
    lifted_at timestamptz,
    lifted_why text,
    CHECK (num_nonnulls(lifted_by, lifted_at, lifted_why) IN (0, 3))
);
CREATE UNIQUE INDEX restriction_once ON restriction (recording, category) WHERE lifted_at IS NULL;

-- Footage that the server drew at random for somebody to look at, of what an organ had sealed in a week.
CREATE TABLE spot_check (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    recording uuid NOT NULL UNIQUE REFERENCES recording ON DELETE RESTRICT,
    organ text NOT NULL REFERENCES organ ON DELETE RESTRICT,
    week date NOT NULL,
    drawn_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    done_at timestamptz,
    done_by uuid REFERENCES person ON DELETE RESTRICT,
    found text[],
    CHECK (num_nonnulls(done_at, done_by, found) IN (0, 3)),
    CHECK (found <> '{}')
);
CREATE INDEX spot_check_organ ON spot_check (organ, week);
CREATE INDEX spot_check_open ON spot_check (due_at) WHERE done_at IS NULL;

-- Why somebody watches one recording. `about`: the complaint, spot check, injury or matter that the number names;
-- `tasked`: that there is one, or an act of that case, and the footage belongs to it.
CREATE TABLE review (
    id uuid PRIMARY KEY,
    recording uuid NOT NULL REFERENCES recording ON DELETE RESTRICT,
    wearer uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    organ text NOT NULL REFERENCES organ ON DELETE RESTRICT,
    reviewer uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    purpose text NOT NULL CHECK (purpose IN ('complaint', 'case', 'spot_check', 'injury', 'matter')),
    number text NOT NULL,
    about uuid,
    tasked boolean NOT NULL,
    opened_at timestamptz NOT NULL,
    over_at timestamptz NOT NULL,
    needs_approval boolean NOT NULL,
    decided_by uuid REFERENCES person ON DELETE RESTRICT,
    decided_at timestamptz,
    allowed boolean,
    decided_why text,
    closed_at timestamptz,
    found text[],
    words text,
    CHECK ((purpose = 'case') = (about IS NULL)),
    CHECK (num_nonnulls(decided_by, decided_at, allowed, decided_why) IN (0, 4)),
    CHECK (decided_at IS NULL OR decided_by <> reviewer),
    CHECK (num_nonnulls(closed_at, found, words) IN (0, 3)),
    CHECK (found <> '{}')
);
CREATE INDEX review_organ ON review (organ, opened_at);
CREATE INDEX review_reviewer ON review (reviewer, wearer, opened_at);
CREATE INDEX review_wearer ON review (wearer, opened_at);
CREATE INDEX review_recording ON review (recording);

-- What the reviewer saw at a moment of the footage.
CREATE TABLE review_note (
    id uuid PRIMARY KEY,
    review uuid NOT NULL REFERENCES review ON DELETE RESTRICT,
    at_ms bigint NOT NULL CHECK (at_ms >= 0),
    words text NOT NULL,
    by_person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    at timestamptz NOT NULL
);
CREATE INDEX review_note_review ON review_note (review, at_ms);

-- A range of bytes that was asked for, and how much of it went out. `ended_at` none: it goes on, or the process was
-- killed, and all that was asked for may have been seen.
CREATE TABLE viewing (
    id uuid PRIMARY KEY,
    review uuid NOT NULL REFERENCES review ON DELETE RESTRICT,
    what text NOT NULL CHECK (what IN ('content', 'poster')),
    first_byte bigint NOT NULL CHECK (first_byte >= 0),
    last_byte bigint NOT NULL CHECK (last_byte >= first_byte),
    served bigint CHECK (served BETWEEN 0 AND last_byte - first_byte + 1),
    began_at timestamptz NOT NULL,
    ended_at timestamptz,
    CHECK ((served IS NULL) = (ended_at IS NULL))
);
CREATE INDEX viewing_review ON viewing (review, began_at);

-- What was taken out of the house, by whom and what for. `whole` none: it goes on, or the process was killed.
CREATE TABLE package (
    id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('recording', 'case', 'complaint', 'injury', 'matter')),
    number text NOT NULL,
    review uuid REFERENCES review ON DELETE RESTRICT,
    by_person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    made_at timestamptz NOT NULL,
    files integer NOT NULL CHECK (files >= 0),
    whole boolean,
    CHECK ((kind = 'recording') = (review IS NOT NULL))
);
CREATE INDEX package_by ON package (by_person, made_at);

-- What somebody says to a finding about them.
CREATE TABLE finding_reply (
    id uuid PRIMARY KEY,
    finding uuid NOT NULL, -- stands for ever: findings are withdrawn, never deleted
    by_person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    words text NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX finding_reply_finding ON finding_reply (finding, at);

-- Footage that somebody watches now; disposal waits for it.
CREATE VIEW under_review AS SELECT recording FROM review WHERE closed_at IS NULL AND over_at > now();

-- Whether this footage belongs to what a review names.
CREATE FUNCTION belongs_to(asked uuid, purpose text, about uuid, number text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT CASE purpose
        WHEN 'spot_check' THEN EXISTS (SELECT FROM spot_check s WHERE s.id = $3 AND s.recording = $1 AND s.done_at IS NULL)
        WHEN 'case' THEN EXISTS (
            SELECT FROM recording r JOIN activity_telling t ON case_key(t.case_ref) = case_key($4)
            JOIN activity a ON a.id = t.activity
            WHERE r.id = $1 AND acted(a) && r.during AND (a.person = r.wearer OR EXISTS (
                SELECT FROM led l WHERE l.auxiliary = a.person AND l.officer = r.wearer AND l.during && (r.during * acted(a)))))
        ELSE EXISTS (SELECT FROM held k JOIN hold h ON h.id = k.hold WHERE h.about = $3 AND k.upload = $1)
    END
$$;
