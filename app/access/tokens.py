"""Tokens: long random texts that open something, and the hashes that are kept of them."""

import hashlib
import secrets

RANDOM_BYTES = 32
RANDOM_LENGTH = 43  # of so many bytes as text
PREFIX_LENGTH = 10  # of a key, shown to tell it from others: 6 of its random characters


def new_token(kind: str) -> str:
    """A token that nobody can guess, e.g. `key_…`: what it begins with says what it is, in a log or a leak."""
    return f"{kind}_{secrets.token_urlsafe(RANDOM_BYTES)}"


def is_token(text: str, kind: str) -> bool:
    """Whether this looks like one of ours; anything else need not be looked up."""
    return text.isascii() and text.startswith(f"{kind}_") and len(text) == len(kind) + 1 + RANDOM_LENGTH


def digest(token: str) -> bytes:
    """The hash under which a token is found again.

    One round of SHA-256 is right here: slow hashes defend passwords, which can be guessed; of 256 random bits no
    guess ever comes true, and each request would pay for the slowness. Where the hash is looked up in an index, how
    long that takes tells of the hash alone, from which nobody comes to the token.
    """
    return hashlib.sha256(token.encode()).digest()
