"""What sweeps come to on a real worker."""
