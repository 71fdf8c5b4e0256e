-- A case of injury has a running number of the organ that handles it and its year: its papers are called 〔2026〕12号.

ALTER TABLE injury ADD COLUMN number_year smallint, ADD COLUMN number integer;
UPDATE injury i SET number_year = n.year, number = n.number FROM (
    SELECT id, extract(year FROM reported_at AT TIME ZONE 'Asia/Shanghai') AS year, row_number() OVER (
        PARTITION BY handled_in, extract(year FROM reported_at AT TIME ZONE 'Asia/Shanghai') ORDER BY reported_at, id
    ) AS number FROM injury
) n WHERE n.id = i.id;
ALTER TABLE injury ALTER COLUMN number_year SET NOT NULL, ALTER COLUMN number SET NOT NULL;
CREATE UNIQUE INDEX injury_number ON injury (handled_in, number_year, number);

-- One after the other: the lock holds until the commit, and a number is given once.
CREATE FUNCTION number_injury() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.number_year := extract(year FROM NEW.reported_at AT TIME ZONE 'Asia/Shanghai');
    PERFORM pg_advisory_xact_lock(hashtextextended('fujing injury ' || NEW.handled_in || NEW.number_year, 0));
    NEW.number := 1 + coalesce(
        (SELECT max(number) FROM injury WHERE handled_in = NEW.handled_in AND number_year = NEW.number_year), 0);
    RETURN NEW;
END $$;
CREATE TRIGGER injury_numbered BEFORE INSERT ON injury FOR EACH ROW EXECUTE FUNCTION number_injury();
