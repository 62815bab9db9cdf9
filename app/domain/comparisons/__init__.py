"""Comparisons of configurations: at equal seeds, in several objectives, and which of them survive."""
