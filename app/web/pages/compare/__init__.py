"""The page of several sweeps side by side."""
