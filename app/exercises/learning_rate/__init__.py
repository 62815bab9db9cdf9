"""Exercise 4: the rates that it compares, what their runs show, and how that is drawn."""
