"""Devices as sweeps and the queue speak of them: their kinds."""
