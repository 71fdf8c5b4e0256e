-- versions_before: the versions that the store had under the key when this upload was opened there. None of them can be
-- what is being sent. NULL: opened before this migration, or not opened.
ALTER TABLE upload ADD COLUMN versions_before text[];
