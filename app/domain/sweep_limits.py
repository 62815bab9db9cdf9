"""The limits of what a sweep may have. Whatever checks a size takes its limit from here."""

MAX_TRIALS = 100_000  # of a sweep
MAX_GRID_CELLS = MAX_TRIALS
MAX_CHOICES = 1_000  # values that the space lists for one hyperparameter
MAX_STEPS = 1_000_000  # of a range from 0 to its high; Optuna can't tell finer ones apart
MAX_SEEDS = 100  # runs of a trial
MAX_COUNT = 2**30  # of numbers that go on counting from those of an imported file
MAX_WARM_STARTING_SWEEPS = 20  # whose best configurations another sweep tries first
MAX_WARM_STARTED_TRIALS = 100
MAX_ATTEMPTS_MADE = 1_000  # of an imported trial
SEED_LIMIT = 2**32  # every seed of a sweep is below it

MAX_CONSTRAINTS = 20
MAX_CONSTRAINT_LENGTH = 200  # characters
MAX_OBJECTIVES = 5

MAX_FLOAT = 1e150  # of what is measured: what is added up and squared must stay finite

MAX_NAME_LENGTH = 200  # characters
MAX_NOTES_LENGTH = 10_000  # characters
MAX_TRIAL_NOTE_LENGTH = 1_000  # characters; tables show the first line
MAX_TAGS = 20
MAX_TAG_LENGTH = 50  # characters
MAX_PRIORITY = 100  # the lowest is the same below 0

MAX_TRIAL_BYTES = 8 * 2**30  # the runs of a trial train together
MAX_MODEL_PARAMETERS = 50_000_000  # 200 MB of float32 a run, and a multiple of that while it trains
