"""Workers on a real Ray cluster: `make test-ray`."""
