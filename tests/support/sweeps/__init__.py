"""Sweeps, runs and rows: made by hand, written by earlier versions, or trained, and what is compared with them."""
