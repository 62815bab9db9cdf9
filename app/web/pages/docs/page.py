"""The pages of the documents: the list of them, and each with its pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse

from app.web.pages.docs import documents
from app.web.pages.docs.documents import Document, Group
from app.web.pages.rendering import render

router = APIRouter(include_in_schema=False)

SearchText = Annotated[str, Query(max_length=200)]


@dataclass(frozen=True)
class DocsView:
    """The documents, and the one that is read."""

    groups: Sequence[Group]
    document: Document | None = None
    search: str = ""
    """What their titles have to hold."""


@router.get(documents.ADDRESS)
def list_documents(request: Request, q: SearchText = "") -> Response:
    """The documents whose titles hold every word of `q`."""
    words = q.lower().split()
    narrowed_groups = [
        replace(group, documents=tuple(entry for entry in group.documents if _holds(entry.title, words)))
        for group in documents.groups()
    ]
    view = DocsView([group for group in narrowed_groups if group.documents], search=q.strip())
    return render(request, "docs/list.html", view)


@router.get(documents.ADDRESS + "/{name:path}")
def show_document(request: Request, name: str) -> Response:
    """One document, or a picture in one."""
    if name.endswith((".png", ".svg")):
        return FileResponse(documents.picture(name), headers={"Cache-Control": "public, max-age=3600"})
    return render(request, "docs/document.html", DocsView(documents.groups(), documents.document(name)))


def _holds(title: str, words: Sequence[str]) -> bool:
    return all(word in title.lower() for word in words)
