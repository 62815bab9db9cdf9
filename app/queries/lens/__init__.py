"""What a lens shows of a sweep: the trials in sight, and the values of their runs."""
