"""The page of all sweeps: its filters and order, and what is done to several of them at once."""
