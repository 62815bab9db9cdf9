"""What breaks under a real worker: processes that are killed, connections that are cut, sweeps that can't be filled."""
