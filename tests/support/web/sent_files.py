"""What a client sends of data that are no file on its disk."""

from typing import Any

from perceptune.data_files import file_of


def sent_bytes(data: Any) -> bytes:
    """The file that is made of them."""
    content = file_of(data).content
    assert isinstance(content, bytes)
    return content
