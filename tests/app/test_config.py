"""Settings: where they come from, and the sentence that a wrong one gets."""

from pathlib import Path

import pytest

from app.config import Settings, default_home, is_loopback, load_settings, local_address, service_address
from app.errors import StartError


def test_the_defaults_serve_on_loopback_with_the_embedded_database() -> None:
    """Nothing set: this machine alone may call, and no database, key or device is presumed."""
    settings = load_settings()
    assert (settings.host, settings.port, settings.lease_seconds) == ("127.0.0.1", 8000, 30)
    assert (settings.database_url, settings.api_key, settings.workers, settings.device) == (None,) * 4
    assert (settings.open, settings.allowed_hosts, settings.home) == (False, (), default_home())


def test_each_setting_has_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """`PERCEPTUNE_<FIELD>`, and the customary name for the database."""
    values = {
        "PERCEPTUNE_HOME": "/tmp/elsewhere",
        "PERCEPTUNE_PORT": "0",
        "PERCEPTUNE_WORKERS": "2",
        "PERCEPTUNE_DEVICE": "cuda:1",
        "PERCEPTUNE_ALLOWED_HOSTS": "one.example, two.example,",
        "PERCEPTUNE_OPEN": "true",
        "DATABASE_URL": "postgresql://somewhere/else",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert (settings.home, settings.port, settings.workers) == (Path("/tmp/elsewhere"), 0, 2)
    assert (settings.device, settings.open) == ("cuda:1", True)
    assert settings.allowed_hosts == ("one.example", "two.example")
    assert settings.database_url == "postgresql://somewhere/else"


def test_a_flag_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a flag that was not given leaves the environment's value."""
    monkeypatch.setenv("PERCEPTUNE_PORT", "9000")
    monkeypatch.setenv("DATABASE_URL", "postgresql://environment")
    settings = load_settings({"port": "9001", "database_url": None})
    assert (settings.port, settings.database_url) == (9001, "postgresql://environment")


@pytest.mark.parametrize("field", Settings.model_fields)
def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch, field: str) -> None:
    """Compose files hand over variables that are empty: they count as not set."""
    monkeypatch.setenv("DATABASE_URL" if field == "database_url" else f"PERCEPTUNE_{field.upper()}", "")
    assert load_settings() == Settings()


def test_the_home_is_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder that is named from here is meant from here, also after a change of folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load_settings({"home": "data"}).home == tmp_path / "data"
    assert load_settings({"home": "~/data"}).home == tmp_path / "data"


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ({"port": "abc"}, "PERCEPTUNE_PORT='abc' can't be used: it should be a valid integer."),
        ({"port": "65536"}, "PERCEPTUNE_PORT='65536' can't be used: it should be less than or equal to 65535."),
        ({"workers": "-1"}, "PERCEPTUNE_WORKERS='-1' can't be used: it should be greater than or equal to 0."),
        ({"device": "gpu"}, "PERCEPTUNE_DEVICE='gpu' can't be used: it should be cpu, cuda, cuda:N or mps."),
        ({"open": "perhaps"}, "PERCEPTUNE_OPEN='perhaps' can't be used: it should be a valid boolean."),
        ({"api_key": "hushed"}, "PERCEPTUNE_API_KEY can't be used: it should have at least 8 characters."),
        (
            {"port": "x", "workers": "y"},
            "PERCEPTUNE_PORT='x' can't be used: it should be a valid integer. "
            "PERCEPTUNE_WORKERS='y' can't be used: it should be a valid integer.",
        ),
    ],
)
def test_a_wrong_setting_is_a_sentence(flags: dict[str, object], sentence: str) -> None:
    """Its variable, its value unless that is a secret, and what it should be."""
    with pytest.raises(StartError) as caught:
        load_settings(flags)
    assert caught.value.detail == sentence


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("[::1]", True), ("localhost", True)]
    + [(host, False) for host in ("0.0.0.0", "::", "192.168.1.2", "example.org", "localhost.example.org", "")],
)
def test_loopback_is_told_from_everything_else(host: str, loopback: bool) -> None:
    """A name other than localhost may resolve to anything, so it is not loopback."""
    assert is_loopback(host) == loopback


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::", "http://127.0.0.1:8000"),
        ("::1", "http://[::1]:8000"),
        ("[::1]", "http://[::1]:8000"),
        ("example.org", "http://example.org:8000"),
    ],
)
def test_this_machine_finds_what_serves_on_a_host(host: str, address: str) -> None:
    """Also on all its addresses at once, and on one of IPv6, with brackets or without."""
    assert local_address(host, 8000) == address


def test_commands_find_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """At PERCEPTUNE_URL, whatever the settings say, else on this machine."""
    settings = Settings(port=8001)
    assert service_address(settings) == "http://127.0.0.1:8001"
    monkeypatch.setenv("PERCEPTUNE_URL", "https://sweeps.example.org/")
    assert service_address(settings) == "https://sweeps.example.org"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2"])
def test_serving_beyond_loopback_needs_a_key_or_a_word(host: str) -> None:
    """Refused in a sentence that names both ways out; either of them opens it."""
    with pytest.raises(StartError, match=f"Serving on {host} .*PERCEPTUNE_API_KEY.*PERCEPTUNE_OPEN=true.*127.0.0.1"):
        load_settings({"host": host}).refuse_unsafe_serving()
    load_settings({"host": host, "api_key": "long enough"}).refuse_unsafe_serving()
    load_settings({"host": host, "open": "true"}).refuse_unsafe_serving()
    load_settings({"host": "127.0.0.1"}).refuse_unsafe_serving()


def test_an_unknown_variable_is_refused_with_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Misspelt, it would silently change nothing; what examples read is no mistake."""
    monkeypatch.setenv("PERCEPTUNE_URL", "http://127.0.0.1:8000")
    load_settings()
    monkeypatch.setenv("PERCEPTUNE_WORKER", "4")
    monkeypatch.setenv("PERCEPTUNE_APIKEY", "a secret of mine")
    with pytest.raises(StartError) as caught:
        load_settings()
    assert caught.value.detail == (
        "PERCEPTUNE_APIKEY is no setting: did you mean PERCEPTUNE_API_KEY? "
        "PERCEPTUNE_WORKER is no setting: did you mean PERCEPTUNE_WORKERS?"
    )


@pytest.mark.parametrize("address", ["example.org", "https://example.org/", "ftp://example.org", "https://a b"])
def test_a_public_address_is_an_origin(address: str) -> None:
    """With its scheme, and without a path."""
    with pytest.raises(StartError, match=r"PERCEPTUNE_PUBLIC_URL=.* can't be used: it should be an address like"):
        load_settings({"public_url": address})


def test_secrets_may_be_in_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As containers have them: the end of the line is no part of it, and a variable or a flag of its own wins."""
    for name, secret in (("PERCEPTUNE_API_KEY", "a key in a file"), ("DATABASE_URL", "postgresql://in/a_file")):
        (tmp_path / name).write_text(f"{secret}\n")
        monkeypatch.setenv(f"{name}_FILE", str(tmp_path / name))
    settings = load_settings()
    assert (settings.api_key, settings.database_url) == ("a key in a file", "postgresql://in/a_file")
    monkeypatch.setenv("PERCEPTUNE_API_KEY", "a key of the environment")
    settings = load_settings({"database_url": "postgresql://flag"})
    assert (settings.api_key, settings.database_url) == ("a key of the environment", "postgresql://flag")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "can't be read: No such file or directory."),
        (b" \n", "is empty: write the secret into it, or leave PERCEPTUNE_API_KEY_FILE out."),
        (b"\xff", "can't be read: it is no text."),
        (b"hushed", "PERCEPTUNE_API_KEY can't be used: it should have at least 8 characters."),
    ],
)
def test_a_wrong_file_of_a_secret_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, sentence: str
) -> None:
    """Which file, and what is wrong with it; never what is in it."""
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("PERCEPTUNE_API_KEY_FILE", str(path))
    with pytest.raises(StartError) as caught:
        load_settings()
    assert caught.value.detail.endswith(sentence)
    assert "hushed" not in caught.value.detail
