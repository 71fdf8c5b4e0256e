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
