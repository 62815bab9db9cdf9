"""The page of a sweep's log, which the sweep's own page shows too."""
