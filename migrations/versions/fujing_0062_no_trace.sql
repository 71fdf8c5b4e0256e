-- Nothing tells that a complaint, an appeal or a harassment exists to whom it is about: whoever is complained of, who
-- led them then, who is appealed against. Source: DESIGN section 11.8; R.13(5), 34.

CREATE INDEX matter_against ON matter (against) WHERE against IS NOT NULL;

-- Whether this complaint or matter is about the viewer: they are complained of, or led them then, or it is against them.
CREATE FUNCTION matter_is_about(asked uuid, viewer uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM complaint_person p WHERE p.complaint = asked AND p.person = viewer)
    OR EXISTS (SELECT FROM complaint c JOIN complaint_person p ON p.complaint = c.id
        JOIN supervision s ON s.auxiliary = p.person AND s.during && c.during
        WHERE c.id = asked AND s.officer = viewer AND s.answer IS DISTINCT FROM 'declined')
    OR EXISTS (SELECT FROM matter m WHERE m.id = asked AND m.against = viewer)
$$;

-- Whether the viewer must not learn of a review for this purpose: it serves a complaint that they may not handle, or a
-- matter against them. Called by backend/reviews and backend/packages.
CREATE OR REPLACE FUNCTION review_kept_from(purpose text, about uuid, viewer uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT CASE purpose
        WHEN 'complaint' THEN may_not_handle(about, viewer)
        WHEN 'matter' THEN matter_is_about(about, viewer)
        WHEN 'hearing' THEN EXISTS (SELECT FROM hearing h WHERE h.id = about AND may_not_handle(h.complaint, viewer))
        ELSE false END
$$;

-- Whether this entry tells of a matter that is about the viewer: it raised the matter, or is a step, a hearing, a
-- review, a hold or a decision because of it; recorded or held.
CREATE FUNCTION matter_concerns(asked uuid, viewer uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT kept_from(asked, viewer) OR matter_is_about(asked, viewer)
    OR EXISTS (
        SELECT FROM journal j, unnest(j.subjects) AS s (id)
        WHERE j.entry_id = asked AND j.outcome IN ('recorded', 'refused') AND (
            matter_is_about(s.id, viewer) OR kept_from(s.id, viewer)
            OR EXISTS (SELECT FROM hearing h WHERE h.id = s.id AND matter_is_about(h.complaint, viewer))
            OR EXISTS (SELECT FROM review v WHERE v.id = s.id AND review_kept_from(v.purpose, v.about, viewer))
            OR EXISTS (SELECT FROM hold h WHERE h.id = s.id AND hold_kept_from(h, viewer))))
$$;

-- Whether a finding tells the viewer of what is kept from them: that a held entry waits in vain (what an administrator
-- may see too is no secret), or whatever was found about an entry of a matter that is about them, such as that it came
-- late or is overdue. What was found about their own entry is theirs. The verb is looked at first: most findings are of
-- shifts and acts. Called by backend/oversight.
CREATE OR REPLACE FUNCTION tells_of_secret(f finding, viewer uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT f.person IS DISTINCT FROM viewer AND (
        f.kind = 'waits_in_vain' AND EXISTS (
            SELECT FROM held_entry h WHERE h.id = f.subject AND (
                kept_from(h.id, viewer)
                OR NOT h.listed_to @> ARRAY['administrator'] AND NOT held_open_to(h, viewer, h.listed_to)))
        OR EXISTS (SELECT FROM entry e WHERE e.id = f.subject
            AND split_part(e.verb, '/', 1) IN ('complaints', 'hearings', 'matters', 'reviews', 'holds', 'held')
            AND matter_concerns(e.id, viewer)))
$$;
