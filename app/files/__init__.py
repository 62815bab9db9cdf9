"""Files in and out: exports and imports of sweeps, Optuna's studies, and trained models."""
