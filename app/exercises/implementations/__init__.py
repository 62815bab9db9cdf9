"""Exercise 6: the networks that it times, what their times show, and how that is drawn."""
