"""The documents of docs/ as pages: what there is, and how each is shown."""
