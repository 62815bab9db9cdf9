"""Links that show one sweep or one run of an exercise: what they show, and the dialog in which they are made."""
