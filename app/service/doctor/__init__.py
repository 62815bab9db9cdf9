"""`perceptune doctor`: looks at everything that a service needs, and says of each what to do."""
