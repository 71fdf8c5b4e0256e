-- As in 0048, in PL/pgSQL: each check-in calls it twice.
CREATE OR REPLACE FUNCTION place_box(place jsonb) RETURNS box LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    lon float8 := (place->>'lon')::float8;
    lat float8 := (place->>'lat')::float8;
    reach float8 := 1.1 / 111195 * (
        1 + (place->>'accuracy_m')::float8 + coalesce((place->>'radius_m')::float8, 0)
        + coalesce((place->>'datums')::float8, 0));
    narrow float8 := greatest(0.01, cos(radians(least(90, abs(lat) + reach))));
BEGIN
    RETURN box(point(lon - reach / narrow, lat - reach), point(lon + reach / narrow, lat + reach));
END
$$;
