"""Data sets that others publish: downloaded from a server on loopback, checked and stored, or refused."""

import gzip
import hashlib
import io
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest
from sklearn.datasets import _california_housing, _covtype, load_digits
from sklearn.datasets._base import RemoteFileMetadata
from typer.testing import CliRunner

from app.cli import app
from app.domain.datasets import PUBLISHED
from app.errors import InvalidError as Refusal
from app.errors import PerceptuneError
from perceptune import Client, DownloadError, InvalidError, published
from perceptune.data_files import file_of
from perceptune.published import BUNDLED_TABLES, DOWNLOAD, FETCHED_TABLES, IMAGES, SCIKIT_LEARN, IdxSet
from tests.support.machine.ports import free_port
from tests.support.web.sent_files import sent_bytes


class Mirror:
    """Files by their names, and the address at which a server on loopback has them."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.files: dict[str, bytes] = {}
        self.cut_files: set[str] = set()  # whose second half is not sent


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    monkeypatch.setenv("no_proxy", "*")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.lstrip("/")
            if name not in served.files:
                self.send_error(404)
                return
            content = served.files[name]
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if name in served.cut_files else content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        served = Mirror(f"http://127.0.0.1:{server.server_port}/")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield served
        server.shutdown()
        thread.join()


def idx(array: np.ndarray) -> bytes:
    """Bytes in the format of MNIST, as .gz."""
    shape = np.array(array.shape, ">u4").tobytes()
    return gzip.compress(bytes([0, 0, 8, array.ndim]) + shape + array.astype(np.uint8).tobytes(), mtime=0)


@pytest.fixture
def mnist(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> Mirror:
    """Smaller images in the place of MNIST's."""
    images, labels = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8) * 15
    for part, rows in (("train", slice(0, 300)), ("t10k", slice(300, 400))):
        mirror.files[f"{part}-images-idx3-ubyte.gz"] = idx(images[rows])
        mirror.files[f"{part}-labels-idx1-ubyte.gz"] = idx(labels[rows])
    md5 = {name: hashlib.md5(content).hexdigest() for name, content in mirror.files.items()}
    monkeypatch.setitem(published.IMAGES, "mnist", IdxSet((mirror.address,), md5))
    return mirror


@pytest.mark.usefixtures("mnist")
def test_mnist_is_stored_by_one_command(trained_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under its name, with its own test part."""
    monkeypatch.setenv("PERCEPTUNE_URL", trained_server)
    result = CliRunner().invoke(app, ["data", "add", "download:mnist"])
    assert result.exit_code == 0, result.output
    with Client(trained_server) as client:
        dataset = client.dataset("mnist")
        assert (dataset.features, dataset.classes, dataset.train, dataset.test) == (64, 10, 300, 100)
        assert dataset.source == "download:mnist"
        client.delete_dataset("mnist")


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ("altered", "train-labels-idx1-ubyte.gz: not the expected MD5"),
        ("cut", "train-labels-idx1-ubyte.gz: peer closed connection without sending complete message body"),
        ("absent", "train-labels-idx1-ubyte.gz: Client error '404 Not Found'"),
        ("silent", "train-images-idx3-ubyte.gz: "),
    ],
)
def test_what_is_not_mnist_is_refused(
    mnist: Mirror, trouble: str, words: str, trained_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a sentence with what to do, and nothing is stored."""
    name = "train-labels-idx1-ubyte.gz"
    if trouble == "altered":
        mnist.files[name] = mnist.files[name][:-1] + b"?"
    elif trouble == "cut":
        mnist.cut_files.add(name)
    elif trouble == "absent":
        del mnist.files[name]
    else:
        address = f"http://127.0.0.1:{free_port()}/"
        monkeypatch.setitem(published.IMAGES, "mnist", published.IMAGES["mnist"]._replace(mirrors=(address,)))
    result = CliRunner().invoke(app, ["data", "add", "download:mnist", "--url", trained_server])
    assert isinstance(result.exception, PerceptuneError)
    sentence = result.exception.detail
    assert sentence.startswith("mnist can't be downloaded (http://127.0.0.1:")
    assert words in sentence
    assert sentence.endswith("elsewhere, and give `perceptune data add` their folder.")
    with Client(trained_server) as client:
        assert "mnist" not in {dataset.name for dataset in client.datasets()}


def test_the_next_mirror_is_asked(mnist: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one has another file, and the same bytes come of it each time."""
    images = published.IMAGES["mnist"]
    first_bytes = sent_bytes("download:mnist")
    for name, content in list(mnist.files.items()):
        mnist.files[f"wrong/{name}"] = content + b"?"
    mirrors = (f"{mnist.address}none/", f"{mnist.address}wrong/", mnist.address)
    monkeypatch.setitem(published.IMAGES, "mnist", images._replace(mirrors=mirrors))
    assert sent_bytes("download:mnist") == first_bytes
    with zipfile.ZipFile(io.BytesIO(first_bytes)) as archive:
        assert sorted(archive.namelist()) == sorted(images.md5)


def houses() -> bytes:
    """An archive as scikit-learn downloads it, of made-up houses."""
    rng = np.random.default_rng(1)
    table = np.column_stack([rng.uniform(1, 9, (60, 8)), rng.uniform(1e5, 5e5, 60)])
    text = "\n".join(",".join(f"{value:.4f}" for value in row) for row in table).encode()
    buffer = io.BytesIO()
    with tarfile.open(mode="w:gz", fileobj=buffer) as archive:
        member = tarfile.TarInfo("CaliforniaHousing/cal_housing.data")
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text))
    return buffer.getvalue()


def forests() -> bytes:
    """A file as scikit-learn downloads it, of made-up forests."""
    rng = np.random.default_rng(1)
    table = np.column_stack([rng.integers(0, 300, (70, 54)), np.arange(70) % 7 + 1])
    return gzip.compress("\n".join(",".join(map(str, row)) for row in table.tolist()).encode())


@pytest.fixture
def scikit_learn(mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mirror:
    """scikit-learn downloads from the mirror, into an empty folder."""
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "scikit_learn_data"))
    for module, name, content in (
        (_california_housing, "cal_housing.tgz", houses()),
        (_covtype, "covtype.data.gz", forests()),
    ):
        mirror.files[name] = content
        source = RemoteFileMetadata(name, mirror.address + name, hashlib.sha256(content).hexdigest())
        monkeypatch.setattr(module, "ARCHIVE", source)
    return mirror


def test_tables_that_scikit_learn_downloads_are_data(scikit_learn: Mirror, trained_server: str) -> None:
    """With the names of their columns; the houses are numbers, the forests classes. A second time they are there."""
    house_file, forest_file = file_of("sklearn:california_housing"), file_of("sklearn:covertype")
    assert parquet.read_schema(io.BytesIO(sent_bytes(house_file))).names[:2] == ["MedInc", "HouseAge"]
    with Client(trained_server) as client:
        house_preview, forest_preview = map(client.preview_dataset, (house_file, forest_file))
    assert (house_preview.task, house_preview.target) == ("regression", "target")
    assert (forest_preview.task, sorted(forest_preview.labels or [])) == ("classification", list("1234567"))
    scikit_learn.files.clear()
    assert file_of("sklearn:covertype").content == forest_file.content
    assert (
        CliRunner().invoke(app, ["data", "add", "sklearn:covertype", "--dry-run", "--url", trained_server]).exit_code
        == 0
    )


@pytest.mark.parametrize(("is_there", "words"), [(True, "differs from expected"), (False, "Connection refused")])
def test_what_scikit_learn_can_not_download_is_told(
    scikit_learn: Mirror, is_there: bool, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a sentence with what to do."""
    scikit_learn.files["covtype.data.gz"] = b"something else"
    if not is_there:
        silent_address = f"http://127.0.0.1:{free_port()}/covtype.data.gz"
        monkeypatch.setattr(_covtype, "ARCHIVE", _covtype.ARCHIVE._replace(url=silent_address))
    with pytest.raises(DownloadError, match=r"scikit-learn can't download covertype .*go online, or copy") as error:
        file_of("sklearn:covertype")
    assert words in str(error.value)


@pytest.mark.usefixtures("scikit_learn")
def test_without_pyarrow_a_table_is_csv(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which every client can write."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    heading, *rows = sent_bytes("sklearn:california_housing").decode().splitlines()
    assert (heading.split(",")[-1], len(rows)) == ("target", 60)


def test_what_is_published_is_offered_by_name(trained_server: str) -> None:
    """Also by the server, where a sweep names a data set that is not stored yet."""
    addresses = {f"{SCIKIT_LEARN}{name}" for name in (*BUNDLED_TABLES, *FETCHED_TABLES)}
    assert {*PUBLISHED.values()} == addresses | {f"{DOWNLOAD}{name}" for name in IMAGES}
    with Client(trained_server) as client, pytest.raises(InvalidError) as error:
        client.preview(space={"epochs": 1}, dataset="mnist")
    assert error.value.fields[0].msg.endswith("`perceptune data add download:mnist` stores it")
    with pytest.raises(ValueError, match="There is no download:mnst; there are download:kmnist, download:mnist"):
        file_of("download:mnst")
    result = CliRunner().invoke(app, ["data", "add", "download:mnst", "--url", trained_server])
    assert isinstance(result.exception, Refusal)
