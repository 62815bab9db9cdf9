"""The manifests against the schemas of Kubernetes and of KubeRay: `make test-kubernetes`."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.kubernetes.manifests import FOLDER, VARIANTS, Document, documents, pod_templates

pytestmark = pytest.mark.kubernetes
VERSION = "1.34"
RAY_CLUSTER = json.loads((Path(__file__).parent / "raycluster.schema.json").read_text())


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_document_is_what_kubernetes_takes(variant: str) -> None:
    """No field is unknown, missing or of another type."""
    check(documents(variant))


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl here")
@pytest.mark.parametrize("variant", VARIANTS)
def test_kustomize_puts_them_together(variant: str) -> None:
    """Into the same documents, in our namespace, with the tags of the images, and still as Kubernetes takes them."""
    command = ["kubectl", "kustomize", str(FOLDER / variant)]
    built = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    whole = list(yaml.safe_load_all(built))
    names = [sorted((d["kind"], d["metadata"]["name"]) for d in some) for some in (whole, documents(variant))]
    assert names[0] == names[1]
    assert {d["metadata"].get("namespace") for d in whole if d["kind"] != "Namespace"} == {"perceptune"}
    assert not re.search(r"image: perceptune-[a-z]+$", built, flags=re.MULTILINE)
    check(whole)


def check(whole: list[Document]) -> None:
    """Raises an error for the first document that is not by its schema."""
    import jsonschema
    from kubernetes_validate import validate

    for document in whole:
        if document["kind"] != "RayCluster":
            validate(document, VERSION, strict=True)
            continue
        jsonschema.validate(document, RAY_CLUSTER)
        for template in pod_templates(document):
            validate(pod(template), VERSION, strict=True)


def pod(template: Document) -> Document:
    return {"apiVersion": "v1", "kind": "Pod", **template}


@pytest.mark.parametrize(
    "broken",
    [
        {"spec": {"containers": [{"name": "x", "image": "y", "comand": ["z"]}]}},
        {"spec": {"containers": [{"name": "x", "ports": [{"containerPort": "http"}]}]}},
        {"spec": {}},
    ],
)
def test_the_schemas_see_what_is_wrong(broken: Document) -> None:
    """A misspelt field, a value of another type, one that is missing."""
    from kubernetes_validate import ValidationError, validate

    with pytest.raises(ValidationError):
        validate(pod(broken), VERSION, strict=True)
