"""The limits of what a stored data set may have."""

MAX_UPLOAD_BYTES = 512 * 2**20
MAX_UNPACKED_BYTES = 2**30
"""Of a file that is compressed."""
MAX_CELLS = 200_000_000
MAX_STORED_BYTES = 512 * 2**20
MAX_FEATURES = 10_000
MAX_COLUMNS = 20_000
"""Of a file, not all of which need become features."""
MAX_CLASSES = 1_000
MIN_CLASS_ROWS = 3
"""One each to train on, to validate on and to test on."""
MAX_CATEGORIES = 100
"""Different texts of a column that becomes a feature for each of them."""
