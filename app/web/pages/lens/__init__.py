"""The lens on pages: one toolbar over all charts, the table and the best, kept in the page's address."""
