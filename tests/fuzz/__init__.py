"""Calls that no client should make, on a running server: none is an error of the server's, or stays in memory."""
