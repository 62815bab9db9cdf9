"""The cache of answers that take long to make."""

from app.web.cache import LRUCache


def test_an_answer_is_made_once_and_the_oldest_is_let_go() -> None:
    """Of three answers where two have room, the one that was asked for longest ago is made again."""
    made_names: list[str] = []

    def make(name: str) -> str:
        made_names.append(name)
        return name

    cache = LRUCache(max_entries=2)
    for name in ("a", "b", "a", "c", "a", "b"):
        assert cache.get_or_make(name, lambda name=name: make(name)) == name  # type: ignore[misc]
    assert made_names == ["a", "b", "c", "b"]
