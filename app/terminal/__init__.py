"""Commands for a running server: sweeps from files, tables, charts, and checks for CI."""
