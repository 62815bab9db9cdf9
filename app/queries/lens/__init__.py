"""What a lens shows of a sweep: the trials in sight, their learning curves, and the values of their runs."""
