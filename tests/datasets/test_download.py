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

import pytest

from kontrast.datasets import FashionMNIST, download
from kontrast.datasets.download import Published, cache, fetch, get

CONTENT = bytes(range(256)) * 2000


class Handler(http.server.BaseHTTPRequestHandler):
    """Sends CONTENT; the path says how: /whole, /wrong, /half (then closes), /hang, /endless, /moved, /gone."""

    seen: list[str]

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
            self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.send(how)
        self.close_connection = True

    def send(self, how: str) -> None:
        if how == "endless":
            while True:
                self.wfile.write(CONTENT)
        body = {"whole": CONTENT, "wrong": CONTENT[::-1]}.get(how, CONTENT[: len(CONTENT) // 2])
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
    with pytest.raises(ValueError, match="no dataset to download named 'Digits'; write one of FashionMNIST"):
        get("Digits")


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
    for file in FashionMNIST.files:
        assert len(bytes.fromhex(file.sha256)) == 32
        assert all(url.endswith("/" + file.name) for url in file.urls)
