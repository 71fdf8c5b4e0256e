-- How much of one person or one device entered the journal lately that records no fact. Entries have no part in it.
CREATE INDEX journal_without_fact_actor ON journal (actor, at)
    WHERE actor IS NOT NULL AND outcome IN ('denied', 'refused', 'done');
CREATE INDEX journal_without_fact_device ON journal (device, at)
    WHERE device IS NOT NULL AND outcome IN ('denied', 'refused', 'done');
