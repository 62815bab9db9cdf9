"""Those at the other end of HTTP: browsers with keys and forms, workers, webhooks, and proxies that lose things."""
