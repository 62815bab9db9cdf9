"""Charts of all trials at once, without a choice of one hyperparameter."""
