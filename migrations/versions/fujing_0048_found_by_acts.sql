-- Lists by work and place, in a house of any size; and how a role was granted.

-- The acts of one work, of one organ too.
CREATE INDEX activity_of_work ON activity (work, organ, started_at);
DROP INDEX activity_work;

-- A box, in degrees, that holds every place that may be near this one: as far as its receiver may be wrong, and for a
-- place that is searched, its radius and how far two datums are apart. Two places that may be near each other have boxes
-- that touch; a tenth more makes up for the earth's shape.
CREATE FUNCTION place_box(place jsonb) RETURNS box LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT box(point(lon - reach / narrow, lat - reach), point(lon + reach / narrow, lat + reach)) FROM (
        SELECT lon, lat, reach, greatest(0.01, cos(radians(least(90, abs(lat) + reach)))) AS narrow FROM (
            SELECT (place->>'lon')::float8 AS lon, (place->>'lat')::float8 AS lat, 1.1 / 111195 * (
                1 + (place->>'accuracy_m')::float8 + coalesce((place->>'radius_m')::float8, 0)
                + coalesce((place->>'datums')::float8, 0)) AS reach
        ) x
    ) y
$$;
CREATE INDEX activity_telling_place ON activity_telling USING gist (place_box(place)) WHERE place IS NOT NULL;
CREATE INDEX shift_place ON shift USING gist (place_box(place)) WHERE place IS NOT NULL;

-- By a file or by an entry of an administrator; those that are there came by files.
ALTER TABLE role_grant ADD COLUMN source text NOT NULL DEFAULT 'import' CHECK (source IN ('import', 'entry'));
ALTER TABLE role_grant ALTER COLUMN source DROP DEFAULT;
