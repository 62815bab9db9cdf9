"""What stands before routes: our own hosts and pages alone, keys with roles, patience with wrong ones, turns."""
