"""The form for a new sweep: its page, what is typed into it as a body of the API, and a domain as text."""
