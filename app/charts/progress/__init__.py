"""Charts of how trainings and searches get on: by epoch, by trial and by time."""
