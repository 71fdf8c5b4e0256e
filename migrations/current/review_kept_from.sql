-- Whether the viewer must not learn of a review for this purpose: it serves a complaint that they may not handle, or a
-- matter against them. Called by backend/reviews and backend/packages.
CREATE OR REPLACE FUNCTION review_kept_from(purpose text, about uuid, viewer uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT CASE purpose
        WHEN 'complaint' THEN may_not_handle(about, viewer)
        WHEN 'matter' THEN matter_is_about(about, viewer)
        WHEN 'hearing' THEN EXISTS (SELECT FROM hearing h WHERE h.id = about AND may_not_handle(h.complaint, viewer))
        ELSE false END
$$;
