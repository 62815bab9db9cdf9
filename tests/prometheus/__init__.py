"""The rules and the dashboard of deploy/, in a real Prometheus."""
