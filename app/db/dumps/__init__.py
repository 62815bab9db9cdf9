"""Dumps: the whole database as one file, and back, also into a later version of Postgres or of Perceptune."""
