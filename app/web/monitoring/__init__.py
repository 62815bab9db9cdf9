"""What operators see of a running server: a line a request, request ids, metrics, and tasks that have died."""
