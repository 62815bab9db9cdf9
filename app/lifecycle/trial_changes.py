"""SET clauses of the SQL statements that take a trial out of a worker's hands.

Only a running trial has a lease (the CHECK constraint `running_has_lease`), so whatever ends a trial or puts it back
into the queue takes its lease in the same statement. With the token gone, no later write of that worker matches.
"""

WITHOUT_LEASE = "lease_token = NULL, lease_until = NULL"

CANCELLED = f"state = 'cancelled', {WITHOUT_LEASE}, rung = NULL, finished_at = clock_timestamp()"

# Of a trial that waits again: what is recorded beyond its checkpoint is trained once more.
EPOCHS_OF_CHECKPOINT = """CASE WHEN t.epochs_trained = 0 THEN 0 ELSE
    coalesce((SELECT c.epochs_done FROM checkpoints c WHERE c.trial_id = t.id), 0) END"""

# The same of the devices that trained it: the last of them may have done nothing of what it goes on from.
DEVICES_OF_CHECKPOINT = """CASE WHEN t.epochs_trained = 0 THEN '{}' ELSE
    coalesce((SELECT c.devices FROM checkpoints c WHERE c.trial_id = t.id), t.devices) END"""

# As if it had not been claimed: the attempt does not count. Its parameters stay, and its checkpoint.
GIVEN_BACK = f"""
    state = 'waiting', {WITHOUT_LEASE}, started_at = NULL, epochs_done = {EPOCHS_OF_CHECKPOINT}, attempt = attempt - 1,
    devices = {DEVICES_OF_CHECKPOINT}
"""
