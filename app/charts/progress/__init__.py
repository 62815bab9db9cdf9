"""Charts of how a search gets on: by trial, by time and by epochs trained."""
