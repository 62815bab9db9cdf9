"""Exercise 2: the networks that it compares, what their runs show, and how that is drawn."""
