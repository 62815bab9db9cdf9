"""Which trials, and how many, a worker should claim: simulated, in seconds in place of hours."""
