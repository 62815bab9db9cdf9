"""The HTTP server: JSON API, dashboard pages, live events, webhooks and metrics."""
