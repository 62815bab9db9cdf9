"""How sweeps stand: what all their trials come to, and how long they still take."""
