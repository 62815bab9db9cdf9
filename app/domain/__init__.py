"""The words and rules of the field as plain values: no database, no Optuna, no server, no torch."""
