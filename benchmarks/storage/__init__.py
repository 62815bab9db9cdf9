"""What is kept in the database and on the workers' disks: checkpoints, and tables of a million rows."""
