-- Which facts keep footage until two people let it go says the law in force at their moment ([keeps] of regulation.toml):
-- here stand the facts that the program knows (backend/law/keeping.py), whether or not any law asks for them.

-- A person in a time, or one upload. `fact`, `value`: what it is; `at`: its moment; `ground`: what tells it from another
-- fact about the same. An act that was ever told to be in a case stays so, as no telling takes away what another one
-- said; so it is with a work, a means of restraint, and how severe an injury is.
DROP VIEW ground;
CREATE VIEW footage_fact AS
SELECT 'case' AS fact, t.case_kind AS value, a.id AS about, t.case_kind || ' ' || coalesce(case_key(t.case_ref), '') AS ground,
    max(t.case_ref) AS number, a.organ, a.person AS by_person, a.person, NULL::uuid AS upload,
    CASE WHEN a.finished THEN a.reach ELSE acted(a) END AS during, a.started_at AS at
FROM activity a JOIN activity_telling t ON t.activity = a.id AND t.case_kind <> 'none'
GROUP BY a.id, t.case_kind, case_key(t.case_ref)
UNION ALL
SELECT 'work', t.work, a.id, 'work ' || t.work, NULL, a.organ, a.person, a.person, NULL,
    CASE WHEN a.finished THEN a.reach ELSE acted(a) END, a.started_at
FROM activity a JOIN activity_telling t ON t.activity = a.id AND t.work IS NOT NULL
GROUP BY a.id, t.work
UNION ALL
SELECT 'restraint', r.means, a.id, 'restraint ' || r.means, NULL, a.organ, a.person, a.person, NULL,
    CASE WHEN a.finished THEN a.reach ELSE acted(a) END, a.started_at
FROM activity a JOIN restraint r ON r.activity = a.id
GROUP BY a.id, r.means
UNION ALL
SELECT 'call', h.kind, h.id, h.kind, NULL, h.organ, h.person, p.person, NULL,
    tstzrange(h.called_at, greatest(h.called_at, (
        SELECT min(s.at) FROM assistance_step s WHERE s.call = h.id AND s.step = 'close')), '[]'), h.called_at
FROM assistance h CROSS JOIN LATERAL (
    SELECT h.person UNION SELECT s.by_person FROM assistance_step s WHERE s.call = h.id AND s.step IN ('acknowledge', 'arrive')
) p
UNION ALL
SELECT 'matter', m.kind, m.id, m.kind, NULL, m.organ, m.person, m.person, NULL,
    tstzrange(m.raised_at, m.raised_at, '[]'), m.raised_at
FROM matter m
UNION ALL
SELECT 'matter', m.kind, m.id, m.kind, NULL, m.organ, m.person, NULL, l.recording, NULL, m.raised_at
FROM matter m JOIN matter_recording l ON l.matter = m.id
UNION ALL
SELECT 'injury', r.severity, i.id, 'injury ' || r.severity, NULL, i.organ, i.person, i.person, NULL,
    tstzrange(i.injured_at, i.injured_at, '[]'), i.injured_at
FROM injury i JOIN injury_report r ON r.injury = i.id
GROUP BY i.id, r.severity
UNION ALL
SELECT 'key_mark', NULL, r.id, 'key_mark', NULL, r.organ, r.wearer, NULL, r.id, NULL, r.started_at
FROM recording r WHERE r.key_mark
UNION ALL
SELECT 'described', d.category, d.id, 'described ' || d.category, NULL, r.organ, d.by_person, NULL, r.id, NULL, d.at
FROM recording_description d JOIN recording r ON r.id = d.recording WHERE d.category IS NOT NULL;

-- What holds a fact has had, released or not: the facts of all years are compared with these, and no plan may read all
-- holds for each of them.
CREATE INDEX hold_category ON hold (about, ground) WHERE origin = 'category';

-- Every such fact moves, not only those that one law asked for. A telling and a restraint come with a change of their act.
DROP TRIGGER activity_moves ON activity;
CREATE TRIGGER activity_moves AFTER INSERT OR UPDATE ON activity FOR EACH ROW EXECUTE FUNCTION ground_moves('id');
DROP TRIGGER call_moves ON assistance;
CREATE TRIGGER call_moves AFTER INSERT ON assistance FOR EACH ROW EXECUTE FUNCTION ground_moves('id');
DROP TRIGGER matter_moves ON matter;
CREATE TRIGGER matter_moves AFTER INSERT ON matter FOR EACH ROW EXECUTE FUNCTION ground_moves('id');
CREATE TRIGGER injury_report_moves AFTER INSERT ON injury_report FOR EACH ROW EXECUTE FUNCTION ground_moves('injury');
