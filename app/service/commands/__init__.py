"""Commands of the terminal that work on this machine's settings: groups of them, and their flags."""
