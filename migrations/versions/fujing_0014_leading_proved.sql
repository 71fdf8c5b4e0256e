-- An officer who had no network confirmed by a signature: which key made it. See docs/adr/0019.
ALTER TABLE supervision_answer ADD COLUMN proved_by text REFERENCES device_key (jkt) ON DELETE RESTRICT;
