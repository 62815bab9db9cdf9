"""Workers on a Ray cluster: Ray places, watches and restarts them, and the queue says how many there are."""
