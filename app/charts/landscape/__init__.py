"""Charts over the plane of two hyperparameters: the value that a forest expects, and the ranks of what was tried."""
