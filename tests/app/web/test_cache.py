from app.web.cache import LRUCache


def test_an_answer_is_made_once_and_the_oldest_is_let_go() -> None:
    """Of three answers where two are kept, the one that was asked for longest ago is made again."""
    made: list[str] = []

    def make(name: str) -> str:
        made.append(name)
        return name

    kept = LRUCache(most=2)
    for name in ("a", "b", "a", "c", "a", "b"):
        assert kept.get(name, lambda name=name: make(name)) == name  # type: ignore[misc]
    assert made == ["a", "b", "c", "b"]
