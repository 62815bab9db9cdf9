"""The settings within the body of a sweep: its space, sampler, seeds, stop rules, warm start and webhook."""
