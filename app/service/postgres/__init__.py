"""The embedded Postgres: one server for a data folder, shared by every process that uses it."""
