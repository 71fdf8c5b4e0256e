-- Kinds of person and insurances are data of the law: no constraint names one. The program's own kinds are officer, staff
-- and dock; the kinds of auxiliaries are told by `fujing migrate` and by each start, from the law in use.
CREATE TABLE kind_of_person (
    code text PRIMARY KEY CHECK (code ~ '^[a-z][a-z0-9_]{0,39}$'),
    auxiliary boolean NOT NULL
);
INSERT INTO kind_of_person VALUES ('officer', false), ('staff', false), ('dock', false);
INSERT INTO kind_of_person SELECT DISTINCT kind, true FROM stint WHERE kind NOT IN ('officer', 'staff', 'dock');
ALTER TABLE stint DROP CONSTRAINT stint_kind_check;
ALTER TABLE stint ADD CONSTRAINT stint_kind_fkey FOREIGN KEY (kind) REFERENCES kind_of_person ON DELETE RESTRICT;

-- The insurances that the organ owed when the act was told, by the law of its moment. Until now there was one.
ALTER TABLE activity_telling ADD COLUMN insurances text[] NOT NULL DEFAULT '{}';
UPDATE activity_telling SET insurances = '{accident_insurance}' WHERE needs_insurance;

-- The organ that decides: the station itself, or the nearest county or city bureau from here up (GA/T 380: twelve figures;
-- a county bureau's end in six zeros, a city bureau's in eight), else the topmost.
CREATE FUNCTION organ_that_decides(code text, level text) RETURNS text LANGUAGE sql STABLE AS $$
    WITH RECURSIVE up AS (
        SELECT o.code, o.parent, o.depth FROM organ o WHERE o.code = $1
        UNION SELECT o.code, o.parent, o.depth FROM organ o JOIN up u ON o.code = u.parent
    ),
    fit AS (
        SELECT u.code, u.depth, u.code LIKE CASE level
            WHEN 'station' THEN '%' WHEN 'county' THEN '%000000' ELSE '%00000000' END AS fits FROM up u
    )
    SELECT f.code FROM fit f ORDER BY f.fits DESC, CASE WHEN f.fits THEN -f.depth ELSE f.depth END LIMIT 1
$$;
DROP FUNCTION deciding_organ(text);

-- An advance that two persons approve: what the first one approved.
ALTER TABLE advance_item ADD COLUMN first_by uuid REFERENCES person ON DELETE RESTRICT, ADD COLUMN first_at timestamptz,
    ADD COLUMN first_fen bigint CHECK (first_fen > 0 AND first_fen <= requested_fen),
    ADD CHECK (num_nonnulls(first_by, first_at, first_fen) IN (0, 3)),
    ADD CHECK (approved_fen = 0 OR first_by <> decided_by);
