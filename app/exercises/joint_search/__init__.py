"""Exercise 5: the searches that it compares, what they came to, and how that is drawn."""
