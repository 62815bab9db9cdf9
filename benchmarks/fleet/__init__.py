"""The queue under many workers: `python -m benchmarks.fleet`."""
