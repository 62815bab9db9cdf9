"""The name that was probably meant by a misspelled one."""

from collections.abc import Iterable
from difflib import get_close_matches

_LEAST_LIKENESS = 0.65  # of 1: `n_trails` and `n_trials` have 0.88, `adam` and `adamw` 0.89, `relu` and `elu` 0.86
_MAX_LENGTH = 60  # characters of a word for which a name is looked for


def did_you_mean(word: object, names: Iterable[object]) -> str:
    """`; did you mean relu?` behind a sentence about a word that is none of the names, or nothing.

    A name that the word only begins with is meant too: `stop` by `stop_rules`.
    """
    if not isinstance(word, str) or not 0 < len(word) <= _MAX_LENGTH:
        return ""
    by_text = {str(name).lower(): str(name) for name in names}
    text = word.lower().replace("-", "_").replace(" ", "_")
    beginnings = [name for name in by_text if name and text.startswith(f"{name}_")]
    matches = get_close_matches(text, by_text, 1, _LEAST_LIKENESS) or beginnings
    return f"; did you mean {by_text[matches[0]]}?" if matches else ""
