-- Letters and papers that came with a complaint: documents, which only who may handle the complaint sees.
CREATE TABLE complaint_paper (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    complaint uuid NOT NULL REFERENCES complaint ON DELETE RESTRICT,
    document uuid NOT NULL REFERENCES document ON DELETE RESTRICT,
    UNIQUE (complaint, document)
);
CREATE INDEX complaint_paper_document ON complaint_paper (document);
