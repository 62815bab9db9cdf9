"""The limits of what a stored data set may have."""

MAX_UPLOAD_BYTES = 3 * 2**29
"""A million rows of 100 numbers with all their digits, as CSV."""
MAX_UNPACKED_BYTES = MAX_UPLOAD_BYTES
"""Of a file that is compressed."""
MAX_CELLS = 200_000_000
MAX_STORED_BYTES = 512 * 2**20
MAX_FEATURES = 10_000
MAX_COLUMNS = 20_000
"""Of a file, not all of which need become features."""
MAX_CLASSES = 1_000
MIN_CLASS_ROWS = 3
"""One each to train on, to validate on and to test on."""
MAX_WHOLE_CLASSES = 50
"""Different whole numbers that a target is taken for classes with, where nobody says what it is."""
MIN_NUMBER_ROWS = 10
"""Of a table whose target is a number."""
MIN_SPREAD, MAX_SPREAD = 1e-15, 1e15
"""The standard deviation of a target that is a number: with others squares are 0, or beyond what float32 holds."""
MAX_MEAN = 1e5
"""Of such a target, in standard deviations: float32 has seven digits for both."""
MAX_CATEGORIES = 100
"""Different texts of a column that becomes a feature for each of them."""
