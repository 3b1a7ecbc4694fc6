#!/bin/sh
# Makes the two databases: what patients said, and apart from it the keys that open it, each of a user of its own.
# PostgreSQL's image runs it once, before its first start. Elsewhere, as an administrator of the server:
#   DATA_PASSWORD=... KEYS_PASSWORD=... deploy/postgres/databases.sh
set -eu
make() {
  # psql takes the password from the environment: on the command line others could read it.
  NEW_PASSWORD=$2 psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --set name="$1" \
    --username "${POSTGRES_USER:-postgres}" --dbname "${POSTGRES_DB:-postgres}" <<'SQL'
\getenv password NEW_PASSWORD
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
}
make plateau_data "${DATA_PASSWORD:?is missing}"
make plateau_keys "${KEYS_PASSWORD:?is missing}"
