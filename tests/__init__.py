"""The tests, in the folders of what they test, on a real Postgres, real workers and a real browser."""
