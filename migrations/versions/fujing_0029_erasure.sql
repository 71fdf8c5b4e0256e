-- Whether a hold that stands is about this person at this moment: what was said then is needed still.
CREATE FUNCTION kept_about(who uuid, moment timestamptz) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM hold h WHERE h.person = who AND h.during @> moment AND h.released_at IS NULL)
$$;

-- What a person refused, or nobody could take, may be emptied when its term is over; what still waits may not.
ALTER TABLE held_entry DROP CONSTRAINT held_entry_check3,
    ADD CHECK (state <> 'recorded' OR content IS NULL),
    ADD CHECK (state NOT IN ('waiting', 'admitted') OR content IS NOT NULL);
