-- What is kept by its category, until two people let it go. 公通字〔2016〕14号; docs/adr/0045.

-- A hold of origin `category` follows from a fact: `about` is the fact, `ground` says what of it asks to keep. Nobody
-- releases it alone: one asks (`asked_…`), another answers.
ALTER TABLE hold
    ADD COLUMN ground text,
    ADD COLUMN asked_by uuid REFERENCES person ON DELETE RESTRICT,
    ADD COLUMN asked_at timestamptz,
    ADD COLUMN asked_why text,
    DROP CONSTRAINT hold_origin_check,
    DROP CONSTRAINT hold_category_check,
    ADD CONSTRAINT hold_origin_check CHECK (origin IN ('placed', 'injury', 'complaint', 'matter', 'category')),
    ADD CONSTRAINT hold_category_check CHECK (category IN
        ('case_evidence', 'obstruction', 'major_incident', 'other_major', 'violence', 'harassment', 'key_mark')),
    ADD CONSTRAINT hold_ground_check CHECK ((origin = 'category') = (ground IS NOT NULL)),
    ADD CONSTRAINT hold_of_category_check CHECK (origin <> 'category' OR category IS NOT NULL),
    ADD CONSTRAINT hold_asked_check CHECK (num_nonnulls(asked_by, asked_at, asked_why) IN (0, 3)),
    ADD CONSTRAINT hold_asked_of_category_check CHECK (asked_by IS NULL OR origin = 'category'),
    ADD CONSTRAINT hold_four_eyes_check CHECK (origin <> 'category' OR released_by IS NULL
        OR coalesce(asked_by <> released_by, false));
CREATE UNIQUE INDEX hold_ground ON hold (about, ground, coalesce(person, upload))
    WHERE origin = 'category' AND released_at IS NULL;
CREATE INDEX hold_place ON hold USING gist (during) WHERE place IS NOT NULL AND released_at IS NULL;

-- What a description says the footage is.
ALTER TABLE recording_description ADD COLUMN category text
    CHECK (category IN ('case_evidence', 'obstruction', 'major_incident', 'other_major'));
CREATE INDEX recording_description_category ON recording_description (id) WHERE category IS NOT NULL;
CREATE INDEX recording_key_mark ON recording (id) WHERE key_mark;

-- Of footage whose term ends: for how many days ahead its organ was told last.
ALTER TABLE upload ADD COLUMN due_told integer CHECK (due_told >= 0);

-- The day of a moment by the calendar of China, as backend/core/days.py has it.
CREATE FUNCTION day_in_china(moment timestamptz) RETURNS date LANGUAGE sql IMMUTABLE AS $$
    SELECT (moment AT TIME ZONE 'Asia/Shanghai')::date
$$;

-- What asks by law to keep footage: a person in a time, or one upload. `kind`: which rule of terms.toml says so;
-- `by_person`: whose fact it is; `around`: the footage some time before and after counts too.
-- An act that was ever told to be in a case stays so, as no telling takes away what another one said.
CREATE VIEW ground AS
SELECT 'kept_case' AS kind, 'case_evidence' AS category, a.id AS about,
    t.case_kind || ' ' || coalesce(case_key(t.case_ref), '') AS ground, max(t.case_ref) AS number, a.organ,
    a.person AS by_person, a.person, NULL::uuid AS upload,
    CASE WHEN a.finished THEN a.reach ELSE acted(a) END AS during, false AS around
FROM activity a JOIN activity_telling t ON t.activity = a.id AND t.case_kind IN ('administrative', 'criminal')
GROUP BY a.id, t.case_kind, case_key(t.case_ref)
UNION ALL
SELECT 'kept_violence', 'violence', h.id, 'violence', NULL, h.organ, h.person, p.person, NULL,
    tstzrange(h.called_at, greatest(h.called_at, (
        SELECT min(s.at) FROM assistance_step s WHERE s.call = h.id AND s.step = 'close')), '[]'), true
FROM assistance h CROSS JOIN LATERAL (
    SELECT h.person UNION SELECT s.by_person FROM assistance_step s WHERE s.call = h.id AND s.step IN ('acknowledge', 'arrive')
) p WHERE h.kind = 'violence'
UNION ALL
SELECT 'kept_harassment', 'harassment', m.id, 'harassment', NULL, m.organ, m.person, m.person, NULL,
    tstzrange(m.raised_at, m.raised_at, '[]'), true
FROM matter m WHERE m.kind = 'harassment'
UNION ALL
SELECT 'kept_harassment', 'harassment', m.id, 'harassment', NULL, m.organ, m.person, NULL, l.recording, NULL, false
FROM matter m JOIN matter_recording l ON l.matter = m.id WHERE m.kind = 'harassment'
UNION ALL
SELECT 'kept_key_mark', 'key_mark', r.id, 'key_mark', NULL, r.organ, r.wearer, NULL, r.id, NULL, false
FROM recording r WHERE r.key_mark
UNION ALL
SELECT 'kept_described', d.category, d.id, 'described ' || d.category, NULL, r.organ, d.by_person, NULL, r.id, NULL, false
FROM recording_description d JOIN recording r ON r.id = d.recording WHERE d.category IS NOT NULL;

-- Facts that may have become a ground, or a wider one, since the holds were last compared with them.
-- A row that is there already is locked, so that whoever takes it away sees this change too.
CREATE TABLE moved_ground (about uuid PRIMARY KEY);
CREATE FUNCTION ground_moves() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO moved_ground VALUES ((to_jsonb(NEW)->>TG_ARGV[0])::uuid)
        ON CONFLICT (about) DO UPDATE SET about = excluded.about;
    RETURN NULL;
END $$;
CREATE TRIGGER activity_moves AFTER INSERT OR UPDATE ON activity
    FOR EACH ROW WHEN (NEW.case_kind <> 'none') EXECUTE FUNCTION ground_moves('id');
CREATE TRIGGER telling_moves AFTER INSERT ON activity_telling
    FOR EACH ROW WHEN (NEW.case_kind <> 'none') EXECUTE FUNCTION ground_moves('activity');
CREATE TRIGGER call_moves AFTER INSERT ON assistance
    FOR EACH ROW WHEN (NEW.kind = 'violence') EXECUTE FUNCTION ground_moves('id');
CREATE TRIGGER call_step_moves AFTER INSERT ON assistance_step
    FOR EACH ROW EXECUTE FUNCTION ground_moves('call');
CREATE TRIGGER matter_moves AFTER INSERT ON matter
    FOR EACH ROW WHEN (NEW.kind = 'harassment') EXECUTE FUNCTION ground_moves('id');
CREATE TRIGGER matter_recording_moves AFTER INSERT ON matter_recording
    FOR EACH ROW EXECUTE FUNCTION ground_moves('matter');
CREATE TRIGGER recording_moves AFTER INSERT OR UPDATE OF key_mark ON recording
    FOR EACH ROW WHEN (NEW.key_mark) EXECUTE FUNCTION ground_moves('id');
CREATE TRIGGER description_moves AFTER INSERT ON recording_description
    FOR EACH ROW WHEN (NEW.category IS NOT NULL) EXECUTE FUNCTION ground_moves('id');

-- Whether nobody may tell this person of a hold: the footage is theirs, or it serves a complaint or a matter that is
-- kept from them.
CREATE FUNCTION hold_kept_from(h hold, viewer uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT coalesce(h.person = viewer, false)
        OR h.upload IS NOT NULL AND EXISTS (SELECT FROM upload u WHERE u.id = h.upload AND u.owner = viewer)
        OR h.about IS NOT NULL AND (
            EXISTS (SELECT FROM matter m WHERE m.id = h.about AND m.against = viewer) OR may_not_handle(h.about, viewer))
$$;

-- As in 0029; a category keeps footage for ever, not the words and places that were told beside it.
CREATE OR REPLACE FUNCTION kept_about(who uuid, moment timestamptz) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM hold h
        WHERE h.person = who AND h.during @> moment AND h.released_at IS NULL AND h.origin <> 'category')
$$;

-- The footage that each hold covers, as in 0019, and of bytes that came under two ids the id under which they are kept.
CREATE VIEW held_footage AS
SELECT h.id AS hold, r.id AS upload FROM hold h JOIN recording r ON r.wearer = h.person AND r.during && h.during
WHERE h.released_at IS NULL
UNION
SELECT h.id, r.id FROM hold h JOIN supervision s ON s.auxiliary = h.person AND s.during && h.during
    JOIN recording r ON r.wearer = s.officer AND r.during && (s.during * h.during)
WHERE h.released_at IS NULL
UNION
SELECT h.id, h.upload FROM hold h WHERE h.released_at IS NULL AND h.upload IS NOT NULL
UNION
SELECT h.id, u.same_as FROM hold h JOIN upload u ON u.id = h.upload
WHERE h.released_at IS NULL AND h.upload IS NOT NULL AND u.same_as IS NOT NULL
UNION
SELECT h.id, r.id FROM hold h JOIN recording r ON r.during && h.during AND r.organ IN (SELECT organs_under(ARRAY[h.organ]))
WHERE h.released_at IS NULL AND h.place IS NOT NULL AND coalesce((
    SELECT bool_or(may_be_near(h.place, p, h.radius_m, h.datums_m)) FROM (
        SELECT places_of(r.wearer, r.during * h.during) AS p
        UNION ALL SELECT places_of(s.auxiliary, r.during * h.during * s.during) FROM supervision s
        WHERE s.officer = r.wearer AND s.during && (r.during * h.during)) w
), true);

-- As in 0020: footage, and the papers of an injury with its holds. Apart, as those are found by another way.
CREATE INDEX hold_injury ON hold (about) WHERE origin = 'injury' AND released_at IS NULL;
CREATE OR REPLACE VIEW held AS
SELECT hold, upload FROM held_footage
UNION
SELECT h.id, coalesce(u.same_as, u.id) FROM hold h JOIN injury_paper p ON p.injury = h.about JOIN upload u ON u.id = p.document
WHERE h.released_at IS NULL AND h.origin = 'injury'
UNION
SELECT h.id, coalesce(u.same_as, u.id) FROM hold h JOIN advance_item i ON i.injury = h.about
    JOIN advance_payment p ON p.item = i.id JOIN upload u ON u.id = p.receipt
WHERE h.released_at IS NULL AND h.origin = 'injury';
