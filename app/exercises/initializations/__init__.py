"""Exercise 9: the starts that it compares, what their runs show, and how that is drawn."""
