"""The page of one sweep, without a browser."""
