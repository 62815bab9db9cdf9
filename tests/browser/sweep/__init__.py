"""A sweep's page in a real browser: its trials, charts, lens and notes."""
