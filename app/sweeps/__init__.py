"""What users do with sweeps: create, preview, change, copy and delete them, and act on their trials."""
