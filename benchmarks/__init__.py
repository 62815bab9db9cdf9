"""The measurements that the documents quote: `make bench`, and `python -m benchmarks.SUBJECT.NAME` for the others."""
