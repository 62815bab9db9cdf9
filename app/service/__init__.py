"""What `perceptune up` starts: the embedded Postgres, the server and its workers; and the demo."""
