"""The database: engine and transaction, tables, migrations, rows of trials, notifications."""
