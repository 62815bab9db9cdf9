"""`perceptune predict`: what a trained network says about images or rows."""
