"""A storm of faults on a running service, and the checks that nothing is lost."""
