"""Exercise 8: the activations that it compares, what their runs show, and how that is drawn."""
