-- Lists by index, whatever they are asked for.

-- What was withdrawn is listed too, so that these are no longer partial. `withdrawn_at` and `kind` are there to be
-- compared in the index, without a visit to the row.
DROP INDEX finding_person;
CREATE INDEX finding_person ON finding (person, found_at);
DROP INDEX finding_organ;
CREATE INDEX finding_organ ON finding (organ, found_at, withdrawn_at, kind);

-- The same rule, begun with the subject, by which a timeline finds what is wrong with its facts.
ALTER TABLE finding DROP CONSTRAINT finding_kind_subject_key, ADD UNIQUE (subject, kind);

-- A role reaches some organs, not a thousand: plans reckoned with as many readings of each list.
ALTER FUNCTION organs_under(text[]) ROWS 20;
