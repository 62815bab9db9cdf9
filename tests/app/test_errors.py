"""What a program says as it ends by an error that is meant for the user."""

import pytest

from app.errors import FieldError, InvalidError, exit_on_error, in_short


def test_a_sentence_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    """A field is named below it where it says more than the sentence does."""
    for detail, msg, lines in (
        ("The file has no rows.", "the file has no rows", ["perceptune: The file has no rows."]),
        (
            "There is no such data set.",
            "must be wine",
            ["perceptune: There is no such data set.", "  file must be wine"],
        ),
    ):
        with pytest.raises(SystemExit), exit_on_error():
            raise InvalidError(detail, [FieldError(("file",), msg)])
        assert capsys.readouterr().err.splitlines() == lines


def test_an_error_without_words_is_called_by_its_name() -> None:
    """Also where another library raises it in the middle of a file."""
    assert in_short(ValueError("\nno table\nat all")) == "no table"
    assert in_short(OSError()) == "OSError"
