"""Groups: runs of a cohort that train as one network, and groups whose steps are taken side by side."""
