"""The exercises of the book in use: runs of them, what each run says, and reports of it."""
