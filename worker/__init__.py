"""The trainer: takes trials out of the queue, trains their networks together, and writes what comes of them."""
