"""The measurements that the documents quote, one command each: `make bench` and `python -m benchmarks.NAME`."""
