"""A sweep as other tools have one: a study of Optuna, runs of MLflow, runs of W&B."""
