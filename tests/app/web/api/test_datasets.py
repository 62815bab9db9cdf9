"""Data sets of the users' own over HTTP: shown before they are stored, named by sweeps, and kept as long as needed."""

import csv
import io
import subprocess
import sys
from typing import Any

from fastapi.testclient import TestClient
from sklearn.datasets import load_iris

from tests.support.paths import ROOT

ADDRESS = "/api/v1/datasets"


def iris_csv() -> bytes:
    """Iris as a CSV with the names of the species."""
    iris, text = load_iris(), io.StringIO()
    rows = csv.writer(text)
    rows.writerow(["sepal length", "sepal width", "petal length", "petal width", "species"])
    rows.writerows([*x, iris.target_names[y]] for x, y in zip(iris.data.tolist(), iris.target, strict=True))
    return text.getvalue().encode()


def test_a_file_is_shown_then_stored_then_kept_while_a_sweep_is_on_it(client: TestClient) -> None:
    """A preview stores nothing; the same post twice stores once; another name or content is refused."""
    content = iris_csv()

    def post(name: str, file: bytes = content, **options: Any) -> Any:
        return client.post(ADDRESS, params={"name": name, "target": "species", **options}, content=file)

    preview = client.post(f"{ADDRESS}/preview", content=content).json()
    assert (preview["target"], preview["labels"]) == ("species", ["setosa", "versicolor", "virginica"])
    assert preview["class_counts"] == {"train": [40] * 3, "held_out": [8] * 3, "test": [10] * 3}
    assert client.get(f"{ADDRESS}/iris_of_mine").status_code == 404
    answer = post("iris_of_mine", source="iris.csv")
    assert (answer.status_code, answer.headers["Location"]) == (201, f"{ADDRESS}/iris_of_mine")
    assert answer.json()["columns"] == preview["columns"]
    assert post("iris_of_mine").status_code == 200
    assert post("flowers").json()["detail"] == "This is stored already, as iris_of_mine: sweeps can be on that."
    reused_answer = post("flowers", reuse=True)
    assert (reused_answer.status_code, reused_answer.json()["name"]) == (200, "iris_of_mine")
    assert post("iris_of_mine", seed=1).status_code == 409
    assert post("digits").status_code == 409
    assert [item["name"] for item in client.get(ADDRESS).json()["items"]][-1] == "iris_of_mine"

    body = {"name": "s", "dataset": "iris_of_mine", "space": {"hidden_units": [4, 8], "epochs": 1}, "sampler": "grid"}
    forecast = client.post("/api/v1/sweeps/preview", json=body).json()
    assert forecast["parameters"] == 4 * 8 + 8 + 8 * 3 + 3
    sweep = client.post("/api/v1/sweeps", json=body).json()["id"]
    refusal = client.delete(f"{ADDRESS}/iris_of_mine")
    sentence = f"Sweep {sweep} is on iris_of_mine: a data set can be deleted once no sweep is on it."
    assert (refusal.status_code, refusal.json()["detail"]) == (409, sentence)
    for page in ("/datasets", "/datasets/iris_of_mine", f"/sweeps/{sweep}", "/sweeps/new?dataset=iris_of_mine"):
        assert "iris_of_mine" in client.get(page, headers={"Accept": "text/html"}).text
    exported = client.get(f"/api/v1/sweeps/{sweep}/export.json").content
    copy = client.post("/api/v1/sweeps/import", content=exported).json()
    assert (copy["dataset"], copy["state"]) == ("iris_of_mine", "paused")
    assert refused_copy(client, exported.replace(answer.json()["content_hash"].encode(), b"0" * 64)) == (
        "was iris_of_mine, and what is called so here is another data set"
    )
    for number in (sweep, copy["id"]):
        client.post(f"/api/v1/sweeps/{number}/cancel")
        assert client.delete(f"/api/v1/sweeps/{number}").status_code == 204
    assert client.delete(f"{ADDRESS}/iris_of_mine").status_code == 204
    assert refused_copy(client, exported).startswith("must be one of fashion_mnist, digits")
    assert client.delete(f"{ADDRESS}/digits").status_code == 409
    assert client.delete(f"{ADDRESS}/nothing").status_code == 404


def refused_copy(client: TestClient, exported: bytes) -> str:
    """What is said of an exported sweep that can't be imported."""
    answer = client.post("/api/v1/sweeps/import", content=exported)
    assert answer.status_code == 422
    return str(answer.json()["errors"][0]["msg"])


def test_an_unknown_data_set_is_told_which_there_are(refusing: TestClient) -> None:
    """The field is named, with the name that was probably meant."""
    answer = refusing.post("/api/v1/sweeps", json={"name": "s", "dataset": "digit", "space": {}, "n_trials": 1})
    (error,) = answer.json()["errors"]
    assert answer.status_code == 422
    assert error["loc"][-1] == "dataset"
    assert error["msg"].endswith("did you mean digits?")


def test_a_bad_file_is_told_where_it_is_bad(refusing: TestClient) -> None:
    """Row and column are named, whatever process has read it, and nothing is stored."""
    bad_content = b"age,species\n1,a\n2,a\n3,a\nold,b\n5,b\n6,b\n"
    answer = refusing.post(ADDRESS, params={"name": "bad", "target": "species"}, content=bad_content)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("Data row 4, column 'age': 'old' is no number, as 5 other values")
    assert refusing.get(f"{ADDRESS}/bad").status_code == 404


def test_the_server_itself_reads_no_file() -> None:
    """What reads files is imported by the child that does: 70 MB that a server need not have."""
    program = "import sys, app.web.app; sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


def test_options_that_can_not_be_stored_are_told(refusing: TestClient) -> None:
    """What the database has no room for, and how a name must be; each with its field."""
    options = {"name": "My Data", "target": "a\0b", "source": "c\0d", "unit": "\0"}
    answer = refusing.post(ADDRESS, params=options, content=iris_csv())
    assert answer.status_code == 422
    sentences = {error["loc"][-1]: error["msg"] for error in answer.json()["errors"]}
    assert sentences.pop("name") == "must be a small letter, and after it small letters, digits, - and _"
    assert sentences == dict.fromkeys(("target", "source", "unit"), "must be a text without null characters")
    refusal = refusing.put(f"{ADDRESS}/digits").json()["detail"]
    assert refusal.startswith(f"PUT can't be used at {ADDRESS}/digits, which takes")
