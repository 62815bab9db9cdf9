"""Webhooks: the outbox of changes, its attempts and retries, and the signed request of one attempt."""
