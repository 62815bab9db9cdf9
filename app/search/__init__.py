"""Chooses configurations with Optuna, assigns them to trials, and prunes trials by their learning curves."""
