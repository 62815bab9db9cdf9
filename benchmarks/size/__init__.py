"""The service over a million trials: `python -m benchmarks.size`."""
