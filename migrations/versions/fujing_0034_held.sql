-- Who may see what is held, and decide about it: as the rule of its verb said when it came. See docs/adr/0034.

-- Whom an entry is kept from, from its arrival on: it does not exist for this person, nor for whoever led them then.
-- `fact`: a shift or a matter, whose own person or opponent is meant. One row for each entry with such a secret.
CREATE TABLE matter_concerns (
    entry uuid PRIMARY KEY,
    person uuid REFERENCES person ON DELETE RESTRICT,
    fact uuid,
    leaders boolean NOT NULL,
    started_at timestamptz,
    ended_at timestamptz CHECK (ended_at >= started_at),
    case_ref text,
    CHECK (num_nonnulls(person, fact, case_ref) > 0),
    CHECK ((started_at IS NULL) = (ended_at IS NULL))
);
CREATE INDEX matter_concerns_fact ON matter_concerns (fact) WHERE fact IS NOT NULL;

ALTER TABLE held_entry ADD COLUMN listed_to text[], ADD COLUMN shown_to text[], ADD COLUMN decided_by_roles text[],
    ADD COLUMN concerned uuid[];

UPDATE held_entry SET concerned = ARRAY[actor],
    listed_to = CASE WHEN verb = 'complaints/receive' THEN ARRAY['inspector']
        WHEN verb LIKE 'injuries/%' OR verb LIKE 'advances/%' THEN ARRAY['commander', 'treasurer']
        WHEN verb LIKE 'matters/%' THEN ARRAY['commander', 'inspector']
        ELSE ARRAY['administrator', 'commander', 'inspector'] END,
    shown_to = CASE WHEN verb = 'complaints/receive' THEN ARRAY['inspector']
        WHEN verb LIKE 'injuries/%' OR verb LIKE 'advances/%' THEN ARRAY['commander', 'treasurer']
        WHEN verb = 'documents/declare' THEN '{}'::text[]
        ELSE ARRAY['commander', 'inspector'] END,
    decided_by_roles = CASE WHEN verb = 'complaints/receive' THEN ARRAY['inspector']
        WHEN verb LIKE 'injuries/%' OR verb LIKE 'advances/%' THEN ARRAY['commander']
        ELSE ARRAY['commander', 'inspector'] END;
ALTER TABLE held_entry ALTER COLUMN listed_to SET NOT NULL, ALTER COLUMN shown_to SET NOT NULL,
    ALTER COLUMN decided_by_roles SET NOT NULL, ALTER COLUMN concerned SET NOT NULL,
    ADD CHECK (listed_to @> shown_to AND listed_to @> decided_by_roles);

-- What is held since before: from its words, or from the fact once it was recorded.
INSERT INTO matter_concerns (entry, person, fact, leaders, started_at, ended_at, case_ref)
SELECT h.id, x.person, x.fact, h.verb = 'complaints/receive', x.started_at, greatest(x.ended_at, x.started_at),
    x.case_ref
FROM held_entry h LEFT JOIN matter m ON m.id = h.id LEFT JOIN complaint c ON c.id = h.id
CROSS JOIN LATERAL (SELECT h.content::jsonb -> 'entry' AS told) t
CROSS JOIN LATERAL (SELECT
    coalesce((told ->> 'against')::uuid, m.against,
        CASE h.verb WHEN 'complaints/receive' THEN coalesce((told ->> 'person')::uuid,
            (SELECT p.person FROM complaint_person p WHERE p.complaint = c.id ORDER BY p.id LIMIT 1)) END) AS person,
    CASE h.verb WHEN 'matters/link' THEN (told ->> 'matter')::uuid
        WHEN 'complaints/receive' THEN coalesce((told ->> 'shift')::uuid, c.shift) END AS fact,
    CASE h.verb WHEN 'complaints/receive' THEN coalesce(c.started_at, h.occurred_at - interval '1 day') END
        AS started_at,
    CASE h.verb WHEN 'complaints/receive' THEN coalesce(c.ended_at, h.occurred_at) END AS ended_at,
    CASE h.verb WHEN 'complaints/receive' THEN coalesce(told ->> 'case_ref', c.case_ref) END AS case_ref
) x
WHERE h.verb IN ('matters/raise', 'matters/link', 'complaints/receive')
    AND num_nonnulls(x.person, x.fact, x.case_ref) > 0;

-- Whether this entry does not exist for this person, whatever role they have. What is known by now counts: a shift that
-- came later, an officer who was named later.
CREATE FUNCTION kept_from(asked uuid, viewer uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM matter_concerns c
        LEFT JOIN shift s ON s.id = c.fact
        LEFT JOIN matter m ON m.id = c.fact
        LEFT JOIN matter_concerns o ON o.entry = c.fact
        WHERE c.entry = asked AND (
            viewer IN (c.person, s.person, m.against, o.person)
            OR c.leaders AND EXISTS (
                SELECT FROM supervision v WHERE v.officer = viewer AND v.answer IS DISTINCT FROM 'declined'
                    AND v.auxiliary IN (c.person, s.person)
                    AND v.during && tstzrange(coalesce(c.started_at, s.started_at),
                        coalesce(c.ended_at, s.ended_at, 'infinity'), '[]'))
            OR EXISTS (
                SELECT FROM recused r WHERE r.case_key = case_key(c.case_ref) AND r.person = viewer
                    AND r.standing IN ('standing_aside', 'granted') AND r.during @> now())))
$$;

-- Whether a held entry is open to this person: today one of these roles reaches its organ, and it is not kept from them.
CREATE FUNCTION held_open_to(h held_entry, viewer uuid, roles text[]) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM role_grant g, (SELECT (now() AT TIME ZONE 'Asia/Shanghai')::date AS is) AS day
        WHERE g.person = viewer AND g.role = ANY (roles) AND g.valid_from <= day.is
            AND coalesce(g.valid_until >= day.is, true) AND h.organ IN (SELECT organs_under(ARRAY[g.organ])))
    AND NOT kept_from(h.id, viewer)
$$;

-- Whether the finding that an entry waits in vain tells this person of an entry that does not exist for them. What an
-- administrator may see too is no secret.
CREATE FUNCTION tells_of_secret(f finding, viewer uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT f.kind = 'waits_in_vain' AND f.person IS DISTINCT FROM viewer AND EXISTS (
        SELECT FROM held_entry h WHERE h.id = f.subject AND (
            kept_from(h.id, viewer)
            OR NOT h.listed_to @> ARRAY['administrator'] AND NOT held_open_to(h, viewer, h.listed_to)))
$$;
