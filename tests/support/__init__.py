"""What tests and benchmarks share: examples, processes, and the reading of the source itself."""
