"""This machine: its users, folders, ports, and what a process holds of it."""
