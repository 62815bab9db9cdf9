"""The settings of server and workers, from environment variables and flags, with their checks."""

import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

from pydantic import Field, PrivateAttr, ValidationError, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app import logs
from app.errors import StartError

_PREFIX = "PERCEPTUNE_"
_SECRETS = ("api_key", "database_url", "key")  # each may be in a file, which <its variable>_FILE names
_OF_CLIENTS = {"PERCEPTUNE_URL"}  # where commands and examples/exercises.ipynb find the server


def default_home() -> Path:
    """The data folder where none is set: below /var/lib for root, else in the user's own data folder."""
    if os.geteuid() == 0:
        return Path("/var/lib/perceptune")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "perceptune"


def is_loopback(host: str) -> bool:
    """Whether the host name or address is this machine's own, which no other machine reaches."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def local_address(host: str, port: int) -> str:
    """The address at which this machine finds what serves on this host and port."""
    host = host.strip("[]")
    host = "127.0.0.1" if host in {"0.0.0.0", "::"} else host
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Settings(BaseSettings):
    """The settings of the server and the workers; each field's variable is `PERCEPTUNE_<FIELD>`."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, env_ignore_empty=True, extra="ignore", populate_by_name=True)

    home: Path = Field(default_factory=default_home, description="Data folder: database, data sets.")
    host: str = Field("127.0.0.1", description="Address to serve on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to serve on; 0 picks a free one.")
    workers: int | None = Field(
        None, ge=0, le=1024, description="Workers to start; default one a GPU, else one a core."
    )
    device: str | None = Field(None, pattern=r"^(cpu|mps|cuda(:\d+)?)$", description="cpu, cuda, cuda:N or mps.")
    tf32: bool = Field(False, description="Round the factors of float32 products on NVIDIA GPUs, for speed.")
    bf16: bool = Field(False, description="Round the factors of products on processors to bfloat16, for speed.")
    database_url: str | None = Field(
        None, validation_alias="DATABASE_URL", description="A Postgres to use in place of the embedded one."
    )
    api_key: str | None = Field(
        None, min_length=8, description="A first key, with the role admin: every call needs one."
    )
    first_key: bool = Field(False, description="Make a first key, and log the address that logs in with it.")
    public_url: str | None = Field(
        None, pattern=r"^https?://[^/\s]+$", description="an address like https://sweeps.example.org, to open it by."
    )
    open: bool = Field(False, description="Serve beyond loopback without a key (a proxy or a firewall stands before).")
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Further host names under which the dashboard is reached, separated by commas."
    )
    lease_seconds: float = Field(30, ge=1, le=3600, description="A worker silent for so long loses its trials.")

    checkpoint_seconds: float = Field(
        30,
        ge=1,
        le=86_400,
        description="So much training, at most, is lost with a worker; more where it is dear to keep.",
    )

    server: str | None = Field(None, description="Address of the server that a worker without a database works for.")
    key: str | None = Field(None, description="Such a worker's key to that server.")
    pulse_file: Path | None = Field(
        None, description="A worker notes here that it lives, for `python -m worker.liveness.pulse`."
    )
    log_format: logs.Format = Field("text", description="Lines of the log as text or as json.")
    otel: bool = Field(False, description="Send traces by OpenTelemetry; needs the extra otel.")

    webhook_private: bool = Field(False, description="Webhooks may go to this machine and to local networks.")

    _has_embedded_database: bool = PrivateAttr(False)

    @property
    def has_embedded_database(self) -> bool:
        """Whether the database is the one that was brought along, which workers find by the data folder."""
        return self._has_embedded_database

    def with_embedded_database(self, url: str) -> "Settings":
        """The same with the address of the embedded database."""
        settings = self.model_copy(update={"database_url": url})
        settings._has_embedded_database = True
        return settings

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _split_commas(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator(
        "api_key", "device", "database_url", "workers", "public_url", "pulse_file", "server", "key", mode="before"
    )
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return None if value == "" else value

    def refuse_unsafe_serving(self, has_keys: Callable[[], bool] = lambda: False) -> None:
        """Raises StartError where the dashboard would be open to other machines without a key.

        has_keys: asked whether the database has keys, where that decides.
        """
        if not is_loopback(self.host) and self.api_key is None and not self.open and not has_keys():
            raise StartError(
                f"Serving on {self.host} would let other machines in without a key: set PERCEPTUNE_API_KEY, "
                "make one with `perceptune keys create`, or set PERCEPTUNE_OPEN=true if something else keeps strangers "
                "out, or serve on 127.0.0.1."
            )


def service_address(settings: Settings) -> str:
    """Where commands find the service: at PERCEPTUNE_URL, else on this machine."""
    return (os.environ.get("PERCEPTUNE_URL") or local_address(settings.host, settings.port)).rstrip("/")


def load_settings(flags: Mapping[str, object] | None = None) -> Settings:
    """The settings of this process; flags that are not None win over the environment.

    Raises StartError with one sentence a wrong setting.
    """
    _refuse_unknown_variables()
    values = _secrets_in_files() | {name: value for name, value in (flags or {}).items() if value is not None}
    try:
        return Settings(**values)  # type: ignore[arg-type]  # values are checked by pydantic
    except ValidationError as error:
        raise StartError(" ".join(_sentence(problem) for problem in error.errors())) from None


def _refuse_unknown_variables() -> None:
    """Raises StartError for a variable that is none of ours: misspelt, it would change nothing without a word."""
    variables = {_variable(name) for name in Settings.model_fields} | _OF_CLIENTS
    variables |= {f"{_variable(name)}_FILE" for name in _SECRETS}
    unknown = sorted(name for name in os.environ if name.startswith(_PREFIX) and name not in variables)
    if unknown:
        nearest = [get_close_matches(name, sorted(variables), n=1, cutoff=0)[0] for name in unknown]
        raise StartError(
            " ".join(f"{name} is no setting: did you mean {near}?" for name, near in zip(unknown, nearest, strict=True))
        )


def _secrets_in_files() -> dict[str, object]:
    """The secrets that are in files, as containers have them; a variable that is set itself wins over its file."""
    secrets: dict[str, object] = {}
    for name in _SECRETS:
        variable = _variable(name)
        path = os.environ.get(f"{variable}_FILE")
        if path and not os.environ.get(variable):
            secrets[name] = _secret_in(path, f"{variable}_FILE")
    return secrets


def _secret_in(path: str, variable: str) -> str:
    try:
        secret = Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise StartError(f"{variable}={path!r} can't be read: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise StartError(f"{variable}={path!r} can't be read: it is no text.") from None
    if not secret:
        raise StartError(f"{variable}={path!r} is empty: write the secret into it, or leave {variable} out.")
    return secret


def _variable(field: str) -> str:
    """The variable of a setting."""
    return "DATABASE_URL" if field == "database_url" else f"{_PREFIX}{field.upper()}"


def _sentence(problem: ErrorDetails) -> str:
    """A sentence about one wrong setting; the values of secrets are not repeated."""
    name = str(problem["loc"][0]).lower()
    variable = _variable(name)
    value = "" if name in set(_SECRETS) else f"={problem['input']!r}"
    if problem["type"] == "string_pattern_mismatch":
        expected = f"it should be {Settings.model_fields[name].description}"
    else:
        expected = re.sub("^(Input|String) should", "it should", problem["msg"]).partition(", unable")[0] + "."
    return f"{variable}{value} can't be used: {expected}"
