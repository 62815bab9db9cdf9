"""Poolers: the part of a database's address that says how it is reached through PgBouncer in transaction mode.

With `?pool_mode=transaction` at its end a connection leads to another one of Postgres from one transaction to the next.
`&direct=HOST:PORT` is the way past the pooler, for what needs a connection to itself.
"""

from dataclasses import dataclass

from sqlalchemy import URL, make_url

from app.errors import StartError

_MODES = ("session", "transaction")


@dataclass(frozen=True)
class Address:
    """How Postgres is reached."""

    url: URL
    is_shared: bool = False  # its connections are those of others after each transaction
    direct_url: URL | None = None  # None where every way leads through the pooler


def parse(url: str) -> Address:
    """The address of a URL that names Postgres. Raises StartError where it says of a pooler what can't be."""
    whole_url = make_url(url)
    mode, direct = whole_url.query.get("pool_mode", "session"), whole_url.query.get("direct")
    plain_url = whole_url.difference_update_query(["pool_mode", "direct"])
    if mode not in _MODES:
        raise StartError(f"DATABASE_URL has pool_mode={mode}: only transaction and session work.")
    if mode == "session":
        return Address(plain_url, direct_url=plain_url)
    return Address(plain_url, True, None if direct is None else _past_pooler(plain_url, str(direct)))


def _past_pooler(url: URL, place: str) -> URL:
    """The URL of the same database at another place: HOST, HOST:PORT or a folder with a Unix socket."""
    if place.startswith("/"):
        return url.set(host=None, port=None).update_query_dict({"host": place})
    host, _, port = place.rpartition(":") if ":" in place and not place.endswith("]") else (place, "", "5432")
    if not host or not port.isdecimal():
        raise StartError(f"DATABASE_URL has direct={place}: write HOST, HOST:PORT or the folder of a Unix socket.")
    return url.set(host=host.strip("[]"), port=int(port))
