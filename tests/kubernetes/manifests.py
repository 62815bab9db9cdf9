"""Reads deploy/kubernetes as kustomize does, but for what it changes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.support.paths import ROOT

FOLDER = ROOT / "deploy/kubernetes"
VARIANTS = sorted(path.parent.name for path in FOLDER.glob("*/kustomization.yaml"))

Document = dict[str, Any]


def documents(variant: str) -> list[Document]:
    """All that a variant names, of the base too."""
    return list(_documents(FOLDER / variant))


def _documents(folder: Path) -> Iterator[Document]:
    for name in kustomization(folder)["resources"]:
        path = (folder / name).resolve()
        yield from _documents(path) if path.is_dir() else yaml.safe_load_all(path.read_text())


def kustomization(folder: Path) -> Document:
    """The file that names the others."""
    content: Document = yaml.safe_load((folder / "kustomization.yaml").read_text())
    return content


def pod_templates(document: Document) -> list[Document]:
    """What the pods of this document are made of; a Ray cluster has several kinds."""
    specification = document.get("spec", {})
    groups = [specification, specification.get("headGroupSpec", {}), *specification.get("workerGroupSpecs", [])]
    return [group["template"] for group in groups if "template" in group]
