"""A real PgBouncer before the embedded Postgres: `make test-pgbouncer`."""
