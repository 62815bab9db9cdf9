"""What docs/performance.md quotes: `make bench`, `python -m benchmarks.cohorts`, `python -m benchmarks.gpu`."""
