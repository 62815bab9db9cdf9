"""Time to good configurations: the service's ways to search against a script of one's own."""
