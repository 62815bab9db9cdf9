"""The page of one sweep: how it stands, what is known so far, its charts and its trials."""
