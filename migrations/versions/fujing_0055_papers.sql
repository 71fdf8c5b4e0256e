-- Papers of matters and recusals, as those of complaints (0046); and a hold covers the papers of what it serves.

CREATE TABLE matter_paper (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    matter uuid NOT NULL REFERENCES matter ON DELETE RESTRICT,
    document uuid NOT NULL REFERENCES document ON DELETE RESTRICT,
    UNIQUE (matter, document)
);
CREATE INDEX matter_paper_document ON matter_paper (document);
CREATE TABLE recusal_paper (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    recusal uuid NOT NULL REFERENCES recusal ON DELETE RESTRICT,
    document uuid NOT NULL REFERENCES document ON DELETE RESTRICT,
    UNIQUE (recusal, document)
);
CREATE INDEX recusal_paper_document ON recusal_paper (document);

-- As in 0045, and the letters of a complaint and the papers of a matter, while a hold of theirs stands.
CREATE INDEX hold_complaint ON hold (about) WHERE origin IN ('complaint', 'matter') AND released_at IS NULL;
CREATE OR REPLACE VIEW held AS
SELECT hold, upload FROM held_footage
UNION
SELECT h.id, coalesce(u.same_as, u.id) FROM hold h JOIN injury_paper p ON p.injury = h.about JOIN upload u ON u.id = p.document
WHERE h.released_at IS NULL AND h.origin = 'injury'
UNION
SELECT h.id, coalesce(u.same_as, u.id) FROM hold h JOIN advance_item i ON i.injury = h.about
    JOIN advance_payment p ON p.item = i.id JOIN upload u ON u.id = p.receipt
WHERE h.released_at IS NULL AND h.origin = 'injury'
UNION
SELECT h.id, coalesce(u.same_as, u.id) FROM hold h JOIN complaint_paper p ON p.complaint = h.about
    JOIN upload u ON u.id = p.document
WHERE h.released_at IS NULL AND h.origin = 'complaint'
UNION
SELECT h.id, coalesce(u.same_as, u.id) FROM hold h JOIN matter_paper p ON p.matter = h.about
    JOIN upload u ON u.id = p.document
WHERE h.released_at IS NULL AND h.origin = 'matter';
