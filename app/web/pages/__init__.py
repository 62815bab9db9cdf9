"""The dashboard: a module a page, each with the frozen view that its template reads."""
