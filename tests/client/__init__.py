"""The client against a real server with a real worker."""
