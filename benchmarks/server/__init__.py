"""How long the server takes over large sweeps: its API, pages, charts and metrics."""
