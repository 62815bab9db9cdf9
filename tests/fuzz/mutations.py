"""What is wrong: values, texts and bytes, and documents in which something is exchanged for them."""

import random
from typing import Any

VALUES: list[Any] = [None, 0, -1, 1, 2**63, 10**400, 0.5, 1e308, "", "x", "nan", "2026-01-01T00:00:00Z", True, [], {}]
VALUES += [[1], ["a"], {"a": 1}, "complete", "waiting", "paused", "\0", "\ud800", [[]], float("inf"), "0" * 5000]

TEXTS = [
    *("", " ", "0", "-1", "1e308", "1e-320", "nan", "inf", "9" * 400, "true", "none", "null", "é" * 300, "a" * 30_000),
    *("1 .. 2", "1 .. 2 log", "0.1 .. 0.5 step 1e-30", "..", "1 ..", "..1" * 500 + " x", "0 .. 1e9", "5 .. 5", "1...2"),
    *("8, 64, 256", "1," * 2_000, "8-8-8", "8--8", "[8", "[[8], [4, 4]]", "{" * 500, "[" * 5_000, '{"low": 1}'),
    *('{"values": [1, 2], "when": {"depth": 2}}', '{"low": 1, "high": 8, "step": 1e-300}', "relu, tanh", "sgd"),
    *("parameters <= 10", "(" * 180 + "epochs", "1 / 0 < epochs", "epochs > 0\n" * 30, "<script>alert(1)</script>"),
    *("'; DROP TABLE sweeps; --", "../../etc/passwd", "%00", "\x7f\x1b[0m", "grid", "tpe", "median", "digits", "2"),
]
HEADER_VALUES = [
    *(
        "",
        " ",
        "x" * 5_000,
        "null",
        "http://[",
        "http://localhost",
        "//",
        "*",
        "bytes=0-",
        "W/",
        '"',
        "0",
        "-1",
        "99999999999",
    ),
    *("text/html", "application/json", "multipart/form-data", "multipart/form-data; boundary=x", "gzip", "chunked"),
    *(
        "cross-site",
        "same-origin",
        "navigate",
        "document",
        "Bearer ",
        "Bearer \xff",
        "Basic eDp4",
        "perceptune_key=\xe9",
    ),
    *("application/x-www-form-urlencoded; charset=utf-99", "text/plain; charset=\xff", "100-continue", "websocket"),
]
HEADERS = [
    *("Host", "Origin", "Accept", "Accept-Encoding", "Authorization", "Cookie", "Content-Type", "Content-Length"),
    *("Transfer-Encoding", "Expect", "Range", "If-None-Match", "Idempotency-Key", "Last-Event-ID", "Upgrade"),
    *("Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest", "X-Forwarded-For", "HX-Request", "Connection", "Referer"),
]


def places(node: Any) -> list[tuple[Any, Any]]:
    """Every container with each of its keys."""
    keys: list[Any] = list(node) if isinstance(node, dict) else list(range(len(node))) if isinstance(node, list) else []
    return [(node, key) for key in keys] + [place for key in keys for place in places(node[key])]


def mutate(document: Any, chance: random.Random) -> None:
    """Exchanges or removes something in the document, once or twice."""
    for _ in range(chance.choice([1, 1, 2])):
        node, key = chance.choice(places(document))
        if chance.random() < 0.15:
            del node[key]
        else:
            node[key] = chance.choice(VALUES)


def mutated_bytes(content: bytes, chance: random.Random) -> bytes:
    """The bytes with some exchanged, cut out, repeated or put in."""
    mutated = bytearray(content)
    for _ in range(chance.choice([1, 2, 8])):
        at, length = chance.randrange(len(mutated) + 1), chance.choice([1, 1, 4, 200])
        piece = chance.choice([b"", chance.randbytes(length), bytes(mutated[at : at + length]) * 2, b"9" * length])
        mutated[at : at + length] = piece
    return bytes(mutated[: chance.choice([len(mutated), len(mutated), chance.randrange(len(mutated) + 1)])])
