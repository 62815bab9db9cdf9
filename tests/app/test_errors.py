"""What a program says as it ends by an error that is meant for the user."""

import pytest

from app.errors import FieldError, InvalidError, exit_on_error


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
