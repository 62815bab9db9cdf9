"""The JSON API under /api/v1, a module for each noun; probes, metrics and the API's page beside it."""
