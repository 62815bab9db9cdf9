"""Those who call: their roles, and the kinds of what is told of them in logs."""
