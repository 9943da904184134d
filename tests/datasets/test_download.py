import contextlib
import functools
import hashlib
import http.server
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from kontrast.datasets import CIFAR10, CIFAR100, STL10, FashionMNIST, TinyImageNet, download
from kontrast.datasets.archives import Bounds
from kontrast.datasets.download import Published, cache, fetch, get

import formats

CONTENT = bytes(range(256)) * 2000
ARCHIVED = (CIFAR10, CIFAR100, STL10, TinyImageNet)


class Handler(http.server.BaseHTTPRequestHandler):
    """Sends CONTENT; the path says how: /whole, /wrong, /half (then closes), /hang, /endless, /moved, /gone."""

    seen: list[str]
    content: ClassVar[bytes] = CONTENT

    def do_GET(self) -> None:
        how = self.path.split("/")[1]
        self.seen.append(self.path)
        if how == "gone":
            self.send_error(404)
            return
        if how == "moved":
            self.send_response(302)
            self.send_header("Location", "/whole/x")
            self.end_headers()
            return
        self.send_response(200)
        if how != "endless":
            self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.send(how)
        self.close_connection = True

    def send(self, how: str) -> None:
        if how == "endless":
            while True:
                self.wfile.write(CONTENT)
        body = {"whole": self.content, "wrong": self.content[::-1]}.get(how, self.content[: len(self.content) // 2])
        self.wfile.write(body)
        if how == "hang":
            self.wfile.flush()
            time.sleep(3)

    def log_message(self, *_: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_: object) -> None:
        pass


@pytest.fixture
def seen() -> list[str]:
    return []


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, seen: list[str]) -> Iterator[str]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    running = Server(("127.0.0.1", 0), type("Seen", (Handler,), {"seen": seen}))
    thread = threading.Thread(target=functools.partial(running.serve_forever, poll_interval=0.02))
    thread.start()
    yield f"http://127.0.0.1:{running.server_address[1]}"
    running.shutdown()
    thread.join()
    running.server_close()


def published(*urls: str, name: str = "x.gz", size: int = len(CONTENT)) -> Published:
    return Published(name, size, hashlib.sha256(CONTENT).hexdigest(), urls)


def test_the_right_file_arrives_whole(server: str, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    fetch([published(f"{server}/whole/x")], tmp_path / "new" / "folder", lambda *what: told.append(what))
    arrived = tmp_path / "new" / "folder" / "x.gz"
    assert arrived.read_bytes() == CONTENT
    assert arrived.stat().st_mode & 0o777 == 0o644
    assert told[-1] == ("x.gz", len(CONTENT), len(CONTENT))
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    assert os.listdir(arrived.parent) == ["x.gz"]


def test_what_is_there_is_not_asked_for_again(server: str, seen: list[str], tmp_path: Path) -> None:
    files = [published(f"{server}/whole/{name}", name=name) for name in ("a", "b")]
    fetch(files, tmp_path)
    fetch(files, tmp_path)
    assert seen == ["/whole/a", "/whole/b"]
    (tmp_path / "a").write_bytes(CONTENT[:100])
    fetch(files, tmp_path)
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert seen == ["/whole/a", "/whole/b", "/whole/a"]


def test_redirections_and_second_sources_are_followed(server: str, seen: list[str], tmp_path: Path) -> None:
    fetch([published(f"{server}/moved/x")], tmp_path / "moved")
    fetch([published(f"{server}/gone/x", f"{server}/wrong/x", f"{server}/whole/y")], tmp_path / "second")
    assert seen == ["/moved/x", "/whole/x", "/gone/x", "/wrong/x", "/whole/y"]
    assert (tmp_path / "second" / "x.gz").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("how", "error", "fault"),
    [
        ("wrong", ValueError, "sent something else than was published"),
        ("endless", ValueError, "sent something else than was published"),
        ("half", ConnectionError, "failed with"),
        ("hang", ConnectionError, "failed with"),
        ("gone", ConnectionError, "404"),
    ],
)
def test_a_bad_transfer_leaves_nothing(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, error: type[Exception], fault: str
) -> None:
    monkeypatch.setattr(download, "TIMEOUT", 0.3)
    with pytest.raises(error, match=f"x.gz could not be downloaded: {server}/{how}/x .*{fault}.*put it into"):
        fetch([published(f"{server}/{how}/x")], tmp_path)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("how", ["wrong", "half"])
def test_a_bad_transfer_keeps_what_was_there(server: str, tmp_path: Path, how: str) -> None:
    (tmp_path / "x.gz").write_bytes(b"older")
    with pytest.raises((ValueError, ConnectionError), match="could not be downloaded"):
        fetch([published(f"{server}/{how}/x")], tmp_path)
    assert os.listdir(tmp_path) == ["x.gz"]
    assert (tmp_path / "x.gz").read_bytes() == b"older"


def test_a_server_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(ConnectionError, match=r"http://127\.0\.0\.1:9/x failed with"):
        fetch([published("http://127.0.0.1:9/x")], tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_killed_download_leaves_no_file_of_that_name(server: str, seen: list[str], tmp_path: Path) -> None:
    script = (
        "import sys, pathlib\n"
        "from kontrast.datasets.download import Published, fetch\n"
        "fetch([Published('x.gz', 10**9, '0' * 64, (sys.argv[1],))], pathlib.Path(sys.argv[2]))\n"
    )
    child = subprocess.Popen([sys.executable, "-c", script, f"{server}/hang/x", str(tmp_path)])
    deadline = time.monotonic() + 60
    while not seen and time.monotonic() < deadline:
        time.sleep(0.02)
    child.kill()
    child.wait()
    assert seen
    assert not (tmp_path / "x.gz").exists()
    fetch([published(f"{server}/whole/x")], tmp_path)
    assert (tmp_path / "x.gz").read_bytes() == CONTENT


def test_get_finds_a_dataset_by_name(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KONTRAST_DATA", str(tmp_path))
    files = tuple(published(f"{server}/whole/{file.name}", name=file.name) for file in FashionMNIST.files)
    monkeypatch.setattr(FashionMNIST, "files", files)
    assert get("FashionMNIST", progress=False) == tmp_path / "fashion-mnist"
    assert get("FashionMNIST", to=tmp_path / "own") == tmp_path / "own"
    for folder in ("fashion-mnist", "own"):
        assert sorted(os.listdir(tmp_path / folder)) == sorted(file.name for file in files)


def test_get_says_which_name_was_meant() -> None:
    with pytest.raises(ValueError, match="no dataset to download named 'FashionMnist'; did you mean 'FashionMNIST'"):
        get("FashionMnist")
    with pytest.raises(ValueError, match="no dataset to download named 'Digits'; write one of CIFAR10, CIFAR100, Fash"):
        get("Digits")


@pytest.mark.parametrize("name", ["ImageNet", "ImageNet100"])
def test_what_may_not_be_downloaded_says_where_it_can_be_had(name: str) -> None:
    with pytest.raises(ValueError, match=r"accept its terms at https://www.image-net.org.*write data.root=FOLDER"):
        get(name)


def test_progress_is_drawn_on_a_terminal(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(FashionMNIST, "files", (published(f"{server}/whole/x"),))
    get("FashionMNIST", to=tmp_path / "quiet")
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv("FORCE_COLOR", "1")
    get("FashionMNIST", to=tmp_path / "shown")
    out, err = capsys.readouterr()
    assert out == ""
    assert "x.gz" in err
    assert "512.0/512.0 kB" in err


def test_the_cache_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.delenv("KONTRAST_DATA", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache() == Path("/home/someone/.cache/kontrast")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/tmp/xdg")
    assert cache() == Path("/var/tmp/xdg/kontrast")
    monkeypatch.setenv("KONTRAST_DATA", "~/data")
    assert cache() == Path("/home/someone/data")


def test_opening_a_dataset_never_connects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "fetch", lambda *_: pytest.fail("a connection was opened"))
    monkeypatch.setenv("KONTRAST_DATA", str(tmp_path))
    monkeypatch.setattr(FashionMNIST, "places", ())
    with pytest.raises(FileNotFoundError):
        FashionMNIST().open("train")


def test_every_pinned_file_is_well_formed() -> None:
    assert len({file.name for file in FashionMNIST.files}) == 4
    for file in (file for cls in (FashionMNIST, *ARCHIVED) for file in cls.files):
        assert len(bytes.fromhex(file.sha256)) == 32
        assert all(url.endswith("/" + file.name) for url in file.urls)
    for cls in ARCHIVED:
        assert cls.files[0].holds is not None
        assert sum(cls.files[0].needed.values()) < cls.files[0].holds.size


@pytest.fixture
def archive(seen: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Published:
    """A small CIFAR-10, packed as the real one, which the server sends."""
    content = formats.packed(formats.cifar10(tmp_path / "made"))
    monkeypatch.setattr(Handler, "content", content)
    monkeypatch.setenv("KONTRAST_DATA", str(tmp_path / "data"))
    bounds, names = Bounds("cifar-10-batches-bin", 1 << 20, 20), dict.fromkeys(CIFAR10.files[0].needed, 6 * 3073)
    return Published("cifar-10-binary.tar.gz", len(content), hashlib.sha256(content).hexdigest(), (), bounds, names)


@pytest.fixture
def served(archive: Published, server: str, monkeypatch: pytest.MonkeyPatch) -> Published:
    archive = archive._replace(urls=(f"{server}/whole/{archive.name}",))
    monkeypatch.setattr(CIFAR10, "files", (archive,))
    return archive


def test_an_archive_arrives_unpacked(served: Published, seen: list[str], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"missing: the folder cifar-10-.*; run `kontrast data get CIFAR10`$"):
        CIFAR10().read("train")
    folder = tmp_path / "data" / "cifar-10"
    assert get("CIFAR10", progress=False) == folder
    assert os.listdir(folder) == ["cifar-10-batches-bin"]
    assert len(CIFAR10().read("train").index) == 30
    assert get("CIFAR10", progress=False) == folder
    assert get("CIFAR10", folder / "cifar-10-batches-bin", progress=False) == folder / "cifar-10-batches-bin"
    assert seen == [f"/whole/{served.name}"]


def test_an_archive_that_was_there_is_unpacked_without_a_connection_and_kept(
    archive: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CIFAR10, "files", (archive._replace(urls=("http://127.0.0.1:9/x",)),))
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / archive.name).write_bytes(Handler.content)
    with pytest.raises(FileNotFoundError, match=f"unpack {archive.name}: run `kontrast data get CIFAR10 to={tmp_path}"):
        CIFAR10(root=str(tmp_path / "own")).read("train")
    get("CIFAR10", tmp_path / "own", progress=False)
    assert sorted(os.listdir(tmp_path / "own")) == ["cifar-10-batches-bin", archive.name]
    assert len(CIFAR10(root=str(tmp_path / "own")).read("test").index) == 6


def test_a_folder_that_is_not_whole_is_not_touched(served: Published, seen: list[str], tmp_path: Path) -> None:
    get("CIFAR10", progress=False)
    folder = tmp_path / "data" / "cifar-10" / "cifar-10-batches-bin"
    (folder / "data_batch_3.bin").unlink()
    with pytest.raises(FileNotFoundError, match=r"missing: cifar-10-batches-bin/data_batch_3\.bin"):
        CIFAR10().read("train")
    with pytest.raises(ValueError, match=r"there, but not whole \(missing: .*data_batch_3\.bin\); delete it"):
        get("CIFAR10", progress=False)
    assert len(seen) == 1


def test_a_hostile_archive_leaves_only_itself(
    served: Published, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An archive that its authors' sum vouches for, and that is refused all the same."""
    hostile = formats.packed(tmp_path / "made" / "cifar-10-batches-bin" / "..")
    monkeypatch.setattr(Handler, "content", hostile)
    changed = served._replace(size=len(hostile), sha256=hashlib.sha256(hostile).hexdigest())
    monkeypatch.setattr(CIFAR10, "files", (changed,))
    with pytest.raises(ValueError, match=r"cannot be unpacked: '\.\.' leads out of its folder"):
        get("CIFAR10", progress=False)
    assert os.listdir(tmp_path / "data" / "cifar-10") == [served.name]


@pytest.mark.parametrize("how", ["wrong", "half"])
def test_a_bad_archive_leaves_nothing(
    served: Published, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(CIFAR10, "files", (served._replace(urls=(f"{server}/{how}/{served.name}",)),))
    with pytest.raises((ValueError, ConnectionError), match="could not be downloaded"):
        get("CIFAR10", progress=False)
    assert os.listdir(tmp_path / "data" / "cifar-10") == []


def test_unpacking_is_shown_too(
    served: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    get("CIFAR10")
    assert "unpacking cifar-10-binary.tar.gz" in capsys.readouterr().err


def test_in_the_cache_folder_only_the_published_lengths_are_taken(served: Published, tmp_path: Path) -> None:
    get("CIFAR10", progress=False)
    folder = tmp_path / "data" / "cifar-10" / "cifar-10-batches-bin"
    content = (folder / "test_batch.bin").read_bytes()
    (folder / "test_batch.bin").write_bytes(content[:3073])
    assert len(CIFAR10(root=str(folder)).read("test").index) == 1
    with pytest.raises(ValueError, match=r"has 3,073 bytes, not the 18,438 that were published; .*`kontrast data get"):
        CIFAR10().read("test")
