"""Workers that reach this server alone: their calls over HTTP, their places, and the bell that wakes them."""
