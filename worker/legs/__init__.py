"""One leg of a cohort: the epochs that it trains, how far its trials come, and what they go on from later."""
