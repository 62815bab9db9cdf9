"""The settings of the embedded Postgres: its role, database and port, and what the server is started with."""

from collections.abc import Mapping

ROLE = DATABASE = "perceptune"
FOLDER = "postgres"  # below the data folder
PORT = 5432  # only a part of the socket's name: nothing listens on the network
SETTINGS: Mapping[str, str] = {
    "client_connection_check_interval": "5s",
    "fsync": "on",
    "idle_in_transaction_session_timeout": "60s",  # a frozen client must not hold its rows for ever
    "jit": "off",
    "listen_addresses": "",  # no TCP port: clients come over the Unix socket alone
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] ",
    "log_timezone": "UTC",
    "max_connections": "200",
    "port": str(PORT),
    "shared_buffers": "128MB",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "unix_socket_permissions": "0700",
}
