-- The categories of footage that is kept for ever are the law's too.
ALTER TABLE hold DROP CONSTRAINT hold_category_check,
    ADD CONSTRAINT hold_category_check CHECK (category ~ '^[a-z][a-z0-9_]{0,39}$');
ALTER TABLE recording_description DROP CONSTRAINT recording_description_category_check,
    ADD CONSTRAINT recording_description_category_check CHECK (category ~ '^[a-z][a-z0-9_]{0,39}$');
