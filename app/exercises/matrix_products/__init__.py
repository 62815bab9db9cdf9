"""Exercise 7: the products and the memory that it times, what that shows, and how it is drawn."""
