"""SET clauses of the SQL statements that take a trial out of a worker's hands.

Only a running trial has a lease (the CHECK constraint `running_has_lease`), so whatever ends a trial or puts it back
into the queue takes its lease in the same statement. With the token gone, no later write of that worker matches.
"""

WITHOUT_LEASE = "lease_token = NULL, lease_until = NULL"

CANCELLED = f"state = 'cancelled', {WITHOUT_LEASE}, finished_at = clock_timestamp()"

# As if it had not been claimed: the attempt does not count. Its parameters stay.
GIVEN_BACK = f"state = 'waiting', {WITHOUT_LEASE}, started_at = NULL, epochs_done = 0, attempt = attempt - 1"
