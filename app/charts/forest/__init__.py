"""A forest of regression trees over hyperparameters in bins, and what it tells of one or two of them."""
