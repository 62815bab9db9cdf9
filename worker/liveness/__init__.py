"""That a worker lives: its row and its heartbeat in the database, and its pulse for whoever runs it."""
