"""The devices that a worker trains on: which there are, their memory, and steps captured as graphs."""
