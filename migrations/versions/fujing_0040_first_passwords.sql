-- A password that somebody else knows (a first password on a slip) is to be changed at the next sign-in. Nobody who has a
-- password already is forced.

ALTER TABLE credential ADD COLUMN must_change boolean NOT NULL DEFAULT false;
