"""What every writer shares: the sweep's row, its best trial, its stop rules, and which weights stay."""
