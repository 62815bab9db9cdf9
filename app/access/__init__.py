"""Who may call: keys and their sessions, as rows of which only hashes are kept."""
