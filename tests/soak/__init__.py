"""A soak: everything is used and hurt for an hour, and what the processes hold must not grow."""
