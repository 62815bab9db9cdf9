"""The manifests of deploy/kubernetes agree with docker-compose.yml, the images and the settings."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.config import load_settings
from tests.kubernetes.manifests import FOLDER, VARIANTS, Document, documents, kustomization, pod_templates
from tests.support.paths import ROOT

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
EVERYTHING = {(d["kind"], d["metadata"]["name"]): d for variant in VARIANTS for d in documents(variant)}
PODS = [(name, pod) for (_, name), document in EVERYTHING.items() for pod in pod_templates(document)]
CONTAINERS = [(name, container) for name, pod in PODS for container in pod["spec"]["containers"]]
OURS = [(name, container) for name, container in CONTAINERS if container["image"].startswith("perceptune-")]


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_file_is_named(variant: str) -> None:
    """By the kustomization of its folder; nothing lies there unused."""
    files = {path.name for path in (FOLDER / variant).glob("*.yaml")} - {"kustomization.yaml"}
    assert files == {name for name in kustomization(FOLDER / variant)["resources"] if not name.startswith("../")}


def service_named(name: str) -> Any:
    """The service of docker-compose.yml that these pods are."""
    return COMPOSE.get(name.removesuffix("-gpu"))


@pytest.mark.parametrize(("name", "container"), CONTAINERS, ids=lambda value: value if isinstance(value, str) else "")
def test_a_container_is_as_in_compose(name: str, container: Document) -> None:
    """The same command, memory and places to write, and no more rights."""
    assert container["securityContext"] == {
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    service = service_named(name)
    if service is None:
        assert container["image"] == "perceptune-ray"
        return
    limit = re.fullmatch(r"(?:\$\{\w+:-)?(\d+)g\}?", service["mem_limit"])
    assert limit is not None
    assert container["resources"]["limits"]["memory"] == f"{limit[1]}Gi"
    target = service.get("build", {}).get("target")
    assert container["image"] == (f"perceptune-{target}" if target else "postgres:18")
    variables = {entry["name"]: entry.get("value") for entry in container["env"]}
    fixed = {key: str(value) for key, value in service["environment"].items() if "$" not in str(value)}
    assert {key: variables.get(key) for key in fixed if key.startswith("PERCEPTUNE_")}.items() <= fixed.items()
    if name == "migrate":
        assert container["command"] == service["command"]
    elif target:
        commands = re.findall(r"^FROM .* AS (\w+)$|^CMD \[(.*)\]$", DOCKERFILE, flags=re.MULTILINE)
        stages = [stage for stage, _ in commands if stage]
        assert target in stages
        assert ", ".join(f'"{word}"' for word in container["command"]) in {command for _, command in commands}


@pytest.mark.parametrize(("name", "pod"), PODS, ids=lambda value: value if isinstance(value, str) else "")
def test_a_pod_is_an_ordinary_user(name: str, pod: Document) -> None:
    """The image's own, as a number; Postgres' own where it is Postgres. No variables of other services get in."""
    (user,) = set(re.findall(r"^USER (\d+):\1$", DOCKERFILE, flags=re.MULTILINE))
    number = 999 if name == "postgres" else int(user)
    assert pod["spec"]["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": number,
        "runAsGroup": number,
        "fsGroup": number,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert pod["spec"]["enableServiceLinks"] is False  # PERCEPTUNE_PORT=tcp://… would be a setting


@pytest.mark.parametrize(("name", "container"), OURS, ids=lambda value: value if isinstance(value, str) else "")
def test_its_environment_is_settings_of_ours(
    name: str, container: Document, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The program itself reads it: a misspelt name, or a value that can't be, would be an error."""
    settings = EVERYTHING["ConfigMap", "settings"]["data"]
    variables = dict(settings) if "envFrom" in container else {}
    for entry in container["env"]:
        reference = entry.get("valueFrom", {}).get("configMapKeyRef")
        variables[entry["name"]] = settings[reference["key"]] if reference else entry.get("value", "a secret")
    for variable, value in variables.items():
        monkeypatch.setenv(variable, str(tmp_path / "secret") if variable.endswith("_FILE") else value)
    (tmp_path / "secret").write_text("postgresql://perceptune@db/perceptune")
    read = load_settings()
    assert (read.database_url is not None) == (name != "ray")  # Ray's nodes are told by `ray up`
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    for variable in (variable for variable in variables if variable.endswith("_FILE")):
        assert os.path.dirname(variables[variable]) in mounted


def test_ports_are_those_of_the_image() -> None:
    """What the server listens on is what the service, the probes and the policy name."""
    (port,) = re.findall(r"^EXPOSE (\d+)$", DOCKERFILE, flags=re.MULTILINE)
    (container,) = [container for name, container in CONTAINERS if name == "app"]
    assert container["ports"] == [{"name": "http", "containerPort": int(port)}]
    probes = [container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")]
    assert {probe["port"] for probe in probes} == {"http"}
    assert [probe["path"] for probe in probes] == ["/healthz", "/healthz", "/readyz"]
    assert EVERYTHING["Service", "app"]["spec"]["ports"][0]["targetPort"] == "http"
    (rule,) = EVERYTHING["NetworkPolicy", "app"]["spec"]["ingress"]
    assert rule["ports"] == [{"protocol": "TCP", "port": int(port)}]


def test_whoever_chooses_pods_finds_some() -> None:
    """Services, budgets, deployments and policies name labels that pods have."""
    labels = [pod["metadata"]["labels"].items() for _, pod in PODS]
    selectors = []
    for (kind, _), document in EVERYTHING.items():
        specification = document.get("spec", {})
        if kind == "Service":
            selectors.append(specification["selector"])
        selectors += [
            specification[key].get("matchLabels", {})
            for key in ("selector", "podSelector")
            if key in specification and kind != "Service"
        ]
    assert len(selectors) > 10
    assert [selector for selector in selectors if not any(selector.items() <= own for own in labels)] == []


def test_ray_is_one_version_and_one_cluster() -> None:
    """Our own environment has the version of the cluster; `ray up` finds it by its name, with its token."""
    (version,) = re.findall(r"^ray==(\S+)$", (ROOT / "constraints.txt").read_text(), flags=re.MULTILINE)
    cluster = EVERYTHING["RayCluster", "ray"]["spec"]
    assert cluster["rayVersion"] == version
    (container,) = [container for name, container in CONTAINERS if name == "ray-up"]
    assert " --address=ray-head-svc:6379 " in container["args"][0]
    (token,) = [entry["valueFrom"]["secretKeyRef"] for entry in container["env"] if entry["name"] == "RAY_AUTH_TOKEN"]
    assert (cluster["authOptions"], token) == ({"mode": "token"}, {"name": "ray", "key": "auth_token"})
