#!/bin/sh
# Debian's PostgreSQL, with the user and the database of the service; both are made at the first start.
set -eu
data=/var/lib/oncoserve-postgres/data
bin=$(echo /usr/lib/postgresql/*/bin)
if [ ! -s "$data/PG_VERSION" ]; then
  rm -rf "$data.new"
  "$bin/initdb" --pgdata "$data.new" --username oncoserve --pwfile /secrets/postgres_password \
    --auth scram-sha-256 --encoding UTF8 --locale C.UTF-8
  echo "host all all all scram-sha-256" >> "$data.new/pg_hba.conf"
  echo "CREATE DATABASE oncoserve;" | "$bin/postgres" --single -D "$data.new" postgres
  mv "$data.new" "$data"
fi
exec "$bin/postgres" -D "$data" -c listen_addresses='*' -c unix_socket_directories=/tmp
