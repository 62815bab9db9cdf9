"""What stands before every route: our own hosts and pages alone, keys with roles, patience with wrong ones."""
