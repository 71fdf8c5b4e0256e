-- Footage that must stay, whatever its term: several at once, each with its reason and author. DESIGN §7.

-- What it covers is a predicate, so that footage not yet declared is covered when it comes: a person in a time (and
-- whoever they named as leading), a place in a time, or one upload. `about`: the injury, complaint or matter it serves.
CREATE TABLE hold (
    id uuid PRIMARY KEY,
    organ text NOT NULL REFERENCES organ ON DELETE RESTRICT,
    origin text NOT NULL CHECK (origin IN ('placed', 'injury', 'complaint', 'matter')),
    about uuid,
    person uuid REFERENCES person ON DELETE RESTRICT,
    place jsonb,
    radius_m integer CHECK (radius_m > 0),
    datums_m integer CHECK (datums_m >= 0),
    upload uuid REFERENCES upload ON DELETE RESTRICT,
    started_at timestamptz,
    ended_at timestamptz,
    during tstzrange GENERATED ALWAYS AS (tstzrange(started_at, ended_at, '[]')) STORED,
    permanent boolean NOT NULL,
    number text,
    reason text NOT NULL,
    placed_by uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    placed_at timestamptz NOT NULL,
    released_by uuid REFERENCES person ON DELETE RESTRICT,
    released_at timestamptz,
    released_why text,
    CHECK (num_nonnulls(person, place, upload) = 1),
    CHECK (num_nonnulls(place, radius_m, datums_m) IN (0, 3)),
    CHECK ((started_at IS NULL) = (upload IS NOT NULL)),
    CHECK (ended_at >= started_at),
    CHECK (upload IS NULL OR ended_at IS NULL),
    CHECK ((origin = 'placed') = (about IS NULL)),
    CHECK (num_nonnulls(released_by, released_at, released_why) IN (0, 3))
);
CREATE INDEX hold_organ ON hold (organ, placed_at);
CREATE INDEX hold_about ON hold (about) WHERE about IS NOT NULL;
CREATE INDEX hold_person ON hold USING gist (person, during) WHERE released_at IS NULL;
CREATE INDEX hold_upload ON hold (upload) WHERE released_at IS NULL;
CREATE INDEX recording_when ON recording USING gist (during);

-- Whether the store was told to keep it: follows the holds.
ALTER TABLE upload ADD COLUMN legal_hold boolean NOT NULL DEFAULT false, ADD CHECK (NOT legal_hold OR state = 'sealed');
CREATE INDEX upload_legal_hold ON upload (id) WHERE legal_hold;

-- What still goes on, so that its holds are needed. Features add their own.
CREATE VIEW open_matter AS SELECT NULL::uuid AS id WHERE false;

-- Metres along the great circle (haversine).
CREATE FUNCTION metres(a jsonb, b jsonb) RETURNS double precision LANGUAGE sql IMMUTABLE AS $$
    SELECT 2 * 6371008.8 * asin(least(1, sqrt(
        sin(radians(((b->>'lat')::float8 - (a->>'lat')::float8) / 2)) ^ 2
        + cos(radians((a->>'lat')::float8)) * cos(radians((b->>'lat')::float8))
        * sin(radians(((b->>'lon')::float8 - (a->>'lon')::float8) / 2)) ^ 2)))
$$;

-- Whether two places may be within so many metres of each other. Of two datums it cannot be told to better than
-- `datums` metres: what may be near is kept.
CREATE FUNCTION may_be_near(a jsonb, b jsonb, within double precision, datums double precision) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT metres(a, b) <= within + (a->>'accuracy_m')::float8 + (b->>'accuracy_m')::float8
        + CASE WHEN a->>'datum' = b->>'datum' THEN 0 ELSE datums END
$$;

-- Where somebody said they were in this time: at their acts and at their check-in; none where they said nothing.
CREATE FUNCTION places_of(who uuid, span tstzrange) RETURNS SETOF jsonb LANGUAGE sql STABLE AS $$
    SELECT t.place FROM activity a JOIN activity_telling t ON t.activity = a.id
    WHERE a.person = who AND a.reach && span AND t.place IS NOT NULL
    UNION ALL
    SELECT h.place FROM shift h WHERE h.person = who AND h.during && span AND span @> h.started_at AND h.place IS NOT NULL
$$;

-- What each hold covers that is known now. Of footage near a place: also where nobody can say where its wearer was.
CREATE VIEW held AS
SELECT h.id AS hold, r.id AS upload FROM hold h JOIN recording r ON r.wearer = h.person AND r.during && h.during
WHERE h.released_at IS NULL
UNION
SELECT h.id, r.id FROM hold h JOIN supervision s ON s.auxiliary = h.person AND s.during && h.during
    JOIN recording r ON r.wearer = s.officer AND r.during && (s.during * h.during)
WHERE h.released_at IS NULL
UNION
SELECT h.id, h.upload FROM hold h WHERE h.released_at IS NULL AND h.upload IS NOT NULL
UNION
SELECT h.id, r.id FROM hold h JOIN recording r ON r.during && h.during AND r.organ IN (SELECT organs_under(ARRAY[h.organ]))
WHERE h.released_at IS NULL AND h.place IS NOT NULL AND coalesce((
    SELECT bool_or(may_be_near(h.place, p, h.radius_m, h.datums_m)) FROM (
        SELECT places_of(r.wearer, r.during * h.during) AS p
        UNION ALL SELECT places_of(s.auxiliary, r.during * h.during * s.during) FROM supervision s
        WHERE s.officer = r.wearer AND s.during && (r.during * h.during)) w
), true);
