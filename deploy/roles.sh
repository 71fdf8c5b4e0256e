#!/bin/sh
# Run once by PostgreSQL's image: the role that serves, which owns no table, and the one extension.
set -eu
psql --set=ON_ERROR_STOP=1 --set=password="$(cat /run/secrets/postgres-app)" --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
CREATE ROLE fujing_app LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'password';
REVOKE ALL ON DATABASE fujing FROM PUBLIC;
GRANT CONNECT ON DATABASE fujing TO fujing_app;
CREATE EXTENSION IF NOT EXISTS btree_gist;
SQL
