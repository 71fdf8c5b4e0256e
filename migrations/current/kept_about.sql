-- Whether a hold that stands is about this person at this moment: what was said then is needed still. A category keeps
-- footage for ever, not the words and places that were told beside it.
CREATE OR REPLACE FUNCTION kept_about(who uuid, moment timestamptz) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM hold h
        WHERE h.person = who AND h.during @> moment AND h.released_at IS NULL AND h.origin <> 'category')
$$;
