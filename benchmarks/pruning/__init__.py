"""What pruners cost and what they save: `python -m benchmarks.pruning`, and a command for each part of it."""
