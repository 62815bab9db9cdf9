"""The page of the keys, for admins."""
