"""The containers, built and run with a real Docker: `make test-compose`."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.compose.stack import Stack, compose_command, docker, engine_answers
from tests.support.waiting import wait_until

pytestmark = pytest.mark.compose
WORKERS = 2


@pytest.fixture(scope="module")
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Everything built and started, two workers; removed with its volume in any case."""
    if request.config.getoption("markexpr") != "compose":
        pytest.skip("builds images, which takes minutes: make test-compose")
    command = compose_command() if engine_answers() else None
    if command is None:
        pytest.fail("these tests need a running Docker engine and `docker compose` or `docker-compose`")
    env_file = tmp_path_factory.mktemp("compose") / "env"
    env_file.touch()
    stack = Stack(command, env_file)
    try:
        stack.compose("build")
        stack.up(WORKERS)
        wait_until(lambda: all(map(stack.is_healthy, ("postgres", "app", "worker"))), 240)
        stack.log_in()
        wait_until(lambda: len(stack.get("/workers")["items"]) == WORKERS, 120)
        yield stack
    except BaseException:
        print(stack.compose("logs", "--no-color", "--tail", "50", check=False))
        raise
    finally:
        stack.close()


def finished(stack: Stack, sweep: str, seconds: float) -> dict[str, Any]:
    """The sweep once it is completed."""
    wait_until(lambda: stack.get(sweep)["state"] == "completed", seconds)
    return stack.get(sweep)


def test_the_migration_ended_well_before_the_app_began(stack: Stack) -> None:
    """`migrate` is one-shot, and who needs the tables waits for it."""
    (migrate,), (app,) = stack.containers("migrate"), stack.containers("app")
    ended, started = stack.inspect(migrate)["State"], stack.inspect(app)["State"]
    assert (ended["Status"], ended["ExitCode"]) == ("exited", 0)
    assert ended["FinishedAt"] < started["StartedAt"]


def test_it_asks_for_the_key_that_its_log_shows(stack: Stack) -> None:
    """Without it 401; it is made once, so a restart makes no other and shows none."""
    assert stack.api.get("/sweeps", headers={"Authorization": ""}).status_code == 401
    stack.compose("restart", "-t", "15", "app")
    wait_until(lambda: stack.is_healthy("app"), 120)
    assert stack.first_key() in stack.api.headers["Authorization"]
    assert stack.api.get("/sweeps").status_code == 200


def test_the_app_has_no_torch(stack: Stack) -> None:
    """Neither torch nor the trainer is in the server's image, and it has what the server needs."""
    (app,) = stack.containers("app")
    find = (
        "import importlib.util as u; print(*[u.find_spec(n) is not None for n in ('torch', 'worker', 'app', 'plotly')])"
    )
    assert docker("exec", app, "python", "-c", find).split() == ["False", "False", "True", "True"]


def test_the_command_in_the_server_s_container_adds_data_and_sweeps_on_them(stack: Stack) -> None:
    """A table is stored, workers fetch it into the folder that they share, and the best network is told of."""
    (app,) = stack.containers("app")
    rows = "".join(rf"{place % 7},{place % 3},{'ab'[place % 7 > 3]}\n" for place in range(60))
    sweep = "{name: own, dataset: own, sampler: grid, space: {hidden_units: [2, 4], epochs: 3}}"
    program = f"""printf 'x,y,kind\\n{rows}' > /tmp/own.csv && perceptune data add /tmp/own.csv --target kind &&
                  printf '{sweep}' > /tmp/own.yaml && perceptune sweep /tmp/own.yaml --watch"""
    key = stack.first_key()
    output = docker("exec", "-e", f"PERCEPTUNE_API_KEY={key}", app, "sh", "-c", program)
    assert "Stored as own: " in output
    assert "completed" in output


@pytest.mark.parametrize("service", ["app", "worker", "migrate"])
def test_it_runs_as_an_ordinary_user(stack: Stack, service: str) -> None:
    """Not root, said as a number, and without capabilities."""
    for container in stack.containers(service):
        facts = stack.inspect(container)
        assert facts["Config"]["User"] == "10001:10001"
        assert facts["HostConfig"]["CapDrop"] == ["ALL"]


@pytest.mark.parametrize("service", ["postgres", "app", "worker", "migrate"])
def test_it_has_limits(stack: Stack, service: str) -> None:
    """Memory, processes, log and what is not on the disk; no new privileges, and no place to write but these."""
    for container in stack.containers(service):
        settings = stack.inspect(container)["HostConfig"]
        assert 2**30 <= settings["Memory"] <= 4 * 2**30
        assert settings["PidsLimit"] == 256
        assert settings["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "5"}
        assert all("size=" in options for options in settings["Tmpfs"].values())
        assert settings["SecurityOpt"] == ["no-new-privileges:true"]
        assert settings["ReadonlyRootfs"]


def test_limits_hold_inside(stack: Stack) -> None:
    """A worker reads its own limit of memory, and can write to /tmp alone."""
    (worker, *_) = stack.containers("worker")
    free = "import torch; from worker.device.memory import free_memory; print(free_memory(torch.device('cpu')))"
    assert 0 < int(docker("exec", worker, "python", "-c", free)) < 4 * 2**30
    write = "touch /tmp/new && ! touch /srv/perceptune/new && ! touch /new && ! touch $HOME/new"
    docker("exec", worker, "sh", "-c", f"{write} 2>/dev/null")


def test_postgres_serves_as_an_ordinary_user(stack: Stack) -> None:
    """Its container begins as root, to own its folder; what answers is not root."""
    (postgres,) = stack.containers("postgres")
    uids = docker("exec", postgres, "sh", "-c", "cat /proc/1/status").split("Uid:")[1].split()[:4]
    assert "0" not in uids


def test_a_frozen_worker_is_unhealthy(stack: Stack) -> None:
    """Its check runs beside it and asks after its heartbeat; once it goes on it is well again."""
    worker = stack.containers("worker")[0]
    check = ("exec", worker, "python", "-m", "worker.liveness.pulse")
    docker("kill", "--signal", "STOP", worker)
    wait_until(lambda: stack.inspect(worker)["State"]["Health"]["Status"] == "unhealthy", 120)
    assert "No heartbeat for" in stack.inspect(worker)["State"]["Health"]["Log"][-1]["Output"]
    docker("kill", "--signal", "CONT", worker)
    wait_until(lambda: stack.inspect(worker)["State"]["Health"]["Status"] == "healthy", 120)
    docker(*check)


def test_a_full_folder_for_uploads_is_said(stack: Stack) -> None:
    """503 with a sentence, and the server goes on."""
    (app,) = stack.containers("app")
    docker("exec", app, "dd", "if=/dev/zero", "of=/tmp/full", "bs=1M", check=False)
    answer = stack.api.post("/sweeps/import", content=b" " * 2**20, headers={"Content-Type": "application/json"})
    docker("exec", app, "rm", "/tmp/full")
    assert (answer.status_code, "folder for uploads is full" in answer.json()["detail"]) == (503, True)
    assert stack.get("/sweeps?limit=1")


@pytest.mark.parametrize("service", ["app", "worker"])
def test_its_process_is_not_root(stack: Stack, service: str) -> None:
    """What the settings promise is so inside."""
    assert docker("exec", stack.containers(service)[0], "id", "-u").strip() == "10001"


@pytest.mark.parametrize(("service", "has_torch"), [("app", False), ("worker", True)])
def test_an_image_lists_what_is_in_it(stack: Stack, service: str, has_torch: bool) -> None:
    """Every package that is installed, with its version, in the list that was made when it was built."""
    container = stack.containers(service)[0]
    listed = json.loads(docker("exec", container, "cat", "/usr/share/perceptune/sbom.cdx.json"))
    assert listed["bomFormat"] == "CycloneDX"
    components = {component["name"].lower(): component["version"] for component in listed["components"]}
    names = "import importlib.metadata as m; print(*{d.name.lower() + '==' + d.version for d in m.distributions()})"
    installed = dict(pin.split("==") for pin in docker("exec", container, "python", "-c", names).split())
    assert components == installed
    assert ("torch" in components) == has_torch


def test_no_secret_is_in_an_image(stack: Stack) -> None:
    """The password is given at the start, and no image knows it."""
    for service in ("app", "worker", "migrate"):
        image = stack.inspect(stack.containers(service)[0])["Image"]
        image_text = docker("history", "--no-trunc", image) + json.dumps(stack.inspect(image)["Config"])
        assert "PGPASSWORD" not in image_text


def test_only_the_app_is_published_and_only_on_loopback(stack: Stack) -> None:
    """Neither the database nor a worker can be reached from outside, nor the app from other machines."""
    bound = {
        (service, port, binding["HostIp"], binding["HostPort"])
        for service in ("postgres", "app", "worker")
        for container in stack.containers(service)
        for port, bindings in stack.inspect(container)["NetworkSettings"]["Ports"].items()
        for binding in bindings or []
    }
    assert bound == {("app", "8000/tcp", "127.0.0.1", str(stack.port))}


def test_a_posted_sweep_is_trained_and_drawn(stack: Stack) -> None:
    """From the body over HTTP to a plotly figure with its points."""
    space = {"hidden_units": [4, 16, 64], "epochs": 3}
    sweep = stack.post_sweep(name="few", dataset="digits", space=space, sampler="grid", seeds=2)
    summary = finished(stack, sweep, 60)
    assert summary["counts"]["complete"] == 3
    assert summary["best"]["value"] > 0.15
    figure = stack.get(f"{sweep}/charts/effect?x=hidden_units")
    assert sorted(figure) == ["data", "layout"]
    assert any(len(trace.get("x") or ()) for trace in figure["data"])


def test_fashion_mnist_is_inside_the_image(stack: Stack) -> None:
    """Real images, without a download."""
    space = {"hidden_units": 8, "epochs": 1}
    sweep = stack.post_sweep(name="images", dataset="fashion_mnist", space=space, sampler="grid")
    assert finished(stack, sweep, 120)["best"]["value"] > 0.4


def test_a_killed_workers_trials_are_finished_by_another(stack: Stack) -> None:
    """Each trial has exactly one result, each run each epoch once, and some were begun by the worker that died."""
    epochs, seeds = 800, 2
    space = {"hidden_units": [8, 16, 32, 64, 128, 256], "learning_rate": [0.01, 0.1], "epochs": epochs}
    sweep = stack.post_sweep(name="long", dataset="digits", space=space, sampler="grid", seeds=seeds)
    wait_until(lambda: len({trial["worker"] for trial in running(stack, sweep)}) == WORKERS, 60)
    docker("kill", container_of(stack, running(stack, sweep)[0]["worker"]))
    assert finished(stack, sweep, 300)["counts"]["complete"] == 12
    trials = stack.get(f"{sweep}/trials?limit=100")["items"]
    assert [trial["number"] for trial in trials] == list(range(12))
    assert any(trial["attempt"] > 1 for trial in trials)
    for trial in trials:
        assert [(run["seed"], run["state"]) for run in trial["runs"]] == [(seed, "complete") for seed in range(seeds)]
        points = stack.get(f"{sweep}/trials/{trial['number']}/epochs")["items"]
        counts = Counter((point["run"], point["epoch"]) for point in points)
        assert counts == Counter((run, epoch) for run in range(seeds) for epoch in range(1, epochs + 1))


def running(stack: Stack, sweep: str) -> list[dict[str, Any]]:
    trials: list[dict[str, Any]] = stack.get(f"{sweep}/trials?state=running&limit=100")["items"]
    return trials


def container_of(stack: Stack, worker: str) -> str:
    """The container that a worker runs in: its host name is the beginning of its id."""
    host = next(row["host"] for row in stack.get("/workers")["items"] if row["id"] == worker)
    return next(container for container in stack.containers("worker") if container.startswith(host))


def test_a_stopped_worker_gives_its_trials_back(stack: Stack) -> None:
    """SIGTERM ends it with exit code 0, and its trials need not wait for their leases to run out."""
    stack.up(WORKERS)
    space = {"hidden_units": [64, 128, 256, 512], "epochs": 5000}
    sweep = stack.post_sweep(name="stopped", dataset="digits", space=space, sampler="grid", seeds=2)
    holder = wait_until(lambda: running(stack, sweep), 60)[0]["worker"]
    container = container_of(stack, holder)
    docker("stop", "-t", "60", container)  # killed after that, its exit code would be another
    assert stack.inspect(container)["State"]["ExitCode"] == 0
    assert holder not in {trial["worker"] for trial in running(stack, sweep)}
    stack.api.post(f"{sweep}/cancel").raise_for_status()
    wait_until(lambda: stack.get(sweep)["state"] == "cancelled", 30)


def test_sweeps_outlive_the_containers(stack: Stack) -> None:
    """After `down` and `up` every sweep is there with its trials: the volume has them."""
    sweeps = stack.get("/sweeps?limit=100")
    trials = [stack.get(f"/sweeps/{sweep['id']}/trials?limit=100") for sweep in sweeps["items"]]
    stack.compose("down", "-t", "15")
    assert stack.containers("postgres") == []
    stack.up(1)
    wait_until(lambda: stack.is_healthy("app"), 120)
    assert stack.get("/sweeps?limit=100") == sweeps
    assert [stack.get(f"/sweeps/{sweep['id']}/trials?limit=100") for sweep in sweeps["items"]] == trials
