import contextlib
import functools
import hashlib
import http.server
import os
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from kontrast.datasets import CIFAR10, CIFAR100, STL10, FashionMNIST, TinyImageNet, download, transfer
from kontrast.datasets.archives import Bounds
from kontrast.datasets.dataset import Dataset
from kontrast.datasets.download import Downloadable, Published, cache, fetch, get
from kontrast.parts import known

import forked
import formats
from forked import Forked

CONTENT = bytes(range(256)) * 2000
ARCHIVED = (CIFAR10, CIFAR100, STL10, TinyImageNet)


class Handler(http.server.BaseHTTPRequestHandler):
    """Sends CONTENT; the path says how: /whole, /wrong, /half (then closes), /hang, /endless, /moved, /gone, /page.

    Of these /rest and /half answer what is asked for from some byte on, unless it is another version than `version`;
    /other says that it does, and sends other bytes.
    """

    version: ClassVar[str] = '"1"'

    seen: list[str]
    starts: ClassVar[list[int]] = []
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
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked and self.headers.get("If-Range") in (None, self.version) else 0
        self.starts.append(start)
        if how in ("rest", "other") and start:
            if start >= len(self.content):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header(
                "Content-Range", f"bytes {start + (how == 'other')}-{len(self.content) - 1}/{len(self.content)}"
            )
        else:
            start = 0
            self.send_response(200)
        length = {"endless": None, "cut": None, "empty": "0", "odd": "abc", "two": "3, 4"}
        if announced := length.get(how, str(len(self.content) - start)):
            self.send_header("Content-Length", announced)
        self.send_header("ETag", self.version)
        self.send_header("Content-Type", "text/html; charset=utf-8" if how == "page" else "application/gzip")
        if how == "rest":
            self.send_header("Content-Encoding", "x-gzip")
        self.end_headers()
        if how == "rest":
            self.wfile.write(self.content[start:])
            return
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.send(how)
        self.close_connection = True

    def send(self, how: str) -> None:
        if how == "endless":
            while True:
                self.wfile.write(CONTENT)
        if how == "empty":
            return
        body = {"whole": self.content, "other": self.content, "wrong": self.content[::-1]}.get(
            how, self.content[: len(self.content) // 2]
        )
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


def lying(folder: Path) -> list[str]:
    """What lies in a folder, beside the lock."""
    return sorted(name for name in os.listdir(folder) if name != ".lock")


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
    assert lying(arrived.parent) == ["x.gz"]


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
        ("page", ValueError, "sent something else than was published.*a page for a browser"),
        ("gone", ConnectionError, "404"),
    ],
)
def test_a_wrong_answer_leaves_nothing(
    server: str, tmp_path: Path, how: str, error: type[Exception], fault: str
) -> None:
    with pytest.raises(error, match=f"x.gz could not be downloaded: {server}/{how}/x .*{fault}.*put it into"):
        fetch([published(f"{server}/{how}/x")], tmp_path)
    assert lying(tmp_path) == []


@pytest.mark.parametrize("size", [0, len(CONTENT)])
@pytest.mark.parametrize(
    ("how", "fault"), [("empty", "it is empty"), ("odd", "no number .*'abc'"), ("two", "multiple unmatching values")]
)
def test_an_odd_length_is_told_and_the_next_source_is_asked(
    server: str, tmp_path: Path, how: str, fault: str, size: int
) -> None:
    with pytest.raises(
        (ValueError, ConnectionError), match=f"x.gz could not be downloaded: {server}/{how}/x .*{fault}"
    ):
        fetch([published(f"{server}/{how}/x", size=size)], tmp_path)
    assert lying(tmp_path) == []
    fetch([published(f"{server}/{how}/x", f"{server}/whole/x", size=size)], tmp_path)
    assert (tmp_path / "x.gz").read_bytes() == CONTENT


def test_a_file_whose_end_nobody_told_may_be_cut(server: str, tmp_path: Path) -> None:
    for how in ("cut", "whole"):
        with pytest.warns(UserWarning, match="nobody has published a checksum") as told:
            fetch([published(f"{server}/{how}/x", name=how, size=0)._replace(checksum="")], tmp_path)
        assert ("its server did not say how long it is" in str(told[0].message)) == (how == "cut")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"the folder .*file/x cannot be made \(Not a directory\); name one"):
        fetch([published()], tmp_path / "file" / "x")


@pytest.mark.parametrize("how", ["half", "hang"])
@pytest.mark.parametrize("checksum", ["sha256", "none"])
def test_an_interrupted_transfer_goes_on_where_it_stopped(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, checksum: str
) -> None:
    monkeypatch.setattr(transfer, "TIMEOUT", 0.3)
    monkeypatch.setattr(Handler, "starts", [])
    file = published(f"{server}/{how}/x")
    file = file if checksum == "sha256" else file._replace(checksum="", size=0)
    with pytest.raises(ConnectionError, match=f"x.gz could not be downloaded: {server}/{how}/x failed with"):
        fetch([file], tmp_path)
    assert lying(tmp_path) == [".x.gz.part", ".x.gz.part.from"]
    part = (tmp_path / ".x.gz.part").read_bytes()
    assert CONTENT.startswith(part)
    assert len(part) > len(CONTENT) // 3
    # Another source sends the rest; where nothing tells whether it has the same, it is asked for everything.
    told: list[int] = []
    with pytest.warns(UserWarning, match="nobody") if checksum == "none" else contextlib.nullcontext():
        fetch([file._replace(urls=(f"{server}/rest/x",))], tmp_path, lambda name, done, size: told.append(done))
    assert (tmp_path / "x.gz").read_bytes() == CONTENT
    assert Handler.starts == [0, len(part) if checksum == "sha256" else 0]
    assert (told[0] > len(part)) == (checksum == "sha256")
    assert lying(tmp_path) == ["x.gz", *(["x.gz.sha256"] if checksum == "none" else [])]


def begun(folder: Path, url: str, part: bytes, version: str = '"1"') -> None:
    (folder / ".x.gz.part").write_bytes(part)
    (folder / ".x.gz.part.from").write_text(f"{url}\n{version}\n")


@pytest.mark.parametrize(
    ("how", "part", "version", "starts"),
    [
        ("rest", CONTENT[:900], '"1"', [900]),
        ("rest", CONTENT[:900], '"0"', [0]),  # the server has another version by now
        ("rest", CONTENT, '"1"', []),  # only the name was lacking
        ("rest", CONTENT + b"x", '"1"', [0]),
        ("rest", b"wrong" * 10, '"1"', [50, 0]),  # both parts together are not what was published
        ("other", CONTENT[:900], '"1"', [900, 0]),
        ("whole", CONTENT[:900], '"1"', [900]),  # it does not know how to go on
    ],
)
def test_what_lies_there_is_gone_on_from_if_it_can_be(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, part: bytes, version: str, starts: list[int]
) -> None:
    monkeypatch.setattr(Handler, "starts", [])
    begun(tmp_path, f"{server}/{how}/x", part, version)
    fetch([published(f"{server}/{how}/x")], tmp_path)
    assert (tmp_path / "x.gz").read_bytes() == CONTENT
    assert Handler.starts == starts
    assert lying(tmp_path) == ["x.gz"]


def test_a_part_that_the_server_has_no_end_of_is_thrown_away(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Handler, "starts", [])
    begun(tmp_path, f"{server}/rest/x", CONTENT + b"x")
    with pytest.warns(UserWarning, match="nobody has published a checksum"):
        fetch([published(f"{server}/rest/x")._replace(checksum="", size=0)], tmp_path)
    assert (tmp_path / "x.gz").read_bytes() == CONTENT
    assert Handler.starts == [len(CONTENT) + 1, 0]


def test_every_kind_of_checksum_is_compared(server: str, tmp_path: Path) -> None:
    git = hashlib.sha1(b"blob %d\0" % len(CONTENT) + CONTENT).hexdigest()
    for kind, right in (("md5", hashlib.md5(CONTENT).hexdigest()), ("git", git)):
        file = published(f"{server}/whole/x", size=0)._replace(checksum=f"{kind}:{right}", name=kind)
        fetch([file], tmp_path)
        assert file.wrong(tmp_path / kind) == ""
        (tmp_path / kind).write_bytes(CONTENT[1:])
        assert file.wrong(tmp_path / kind) == f"it is not the file that was published (its {kind} differs)"
        with pytest.raises(ValueError, match=f"its {kind} differs"):
            fetch([file._replace(urls=(f"{server}/wrong/x",))], tmp_path)


def test_where_no_checksum_was_published_that_of_what_came_is_kept(
    server: str, seen: list[str], tmp_path: Path
) -> None:
    file = published(f"{server}/whole/x")._replace(checksum="", size=0)
    with pytest.warns(UserWarning, match=r"nobody has published a checksum of x\.gz: .* x\.gz\.sha256 beside it"):
        fetch([file], tmp_path)
    assert (tmp_path / "x.gz.sha256").read_text() == f"{hashlib.sha256(CONTENT).hexdigest()}  x.gz\n"
    fetch([file], tmp_path)
    assert len(seen) == 1
    (tmp_path / "x.gz").write_bytes(CONTENT[:-1])
    assert "it is not the file that was downloaded" in file.wrong(tmp_path / "x.gz")
    with pytest.warns(UserWarning, match="nobody has published"):
        fetch([file], tmp_path)
    assert (tmp_path / "x.gz").read_bytes() == CONTENT


def test_a_file_that_was_put_there_by_hand_is_noted_too(tmp_path: Path) -> None:
    file = published()._replace(checksum="", size=0)
    (tmp_path / "x.gz").write_bytes(CONTENT)
    fetch([file], tmp_path)
    assert lying(tmp_path) == ["x.gz", "x.gz.sha256"]
    (tmp_path / "x.gz").write_bytes(CONTENT + b"x")
    with pytest.raises(ConnectionError, match="there is no link"):
        fetch([file], tmp_path)


def test_a_file_of_unknown_length_has_a_bound(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "MOST", 1 << 20)
    with pytest.raises(ValueError, match="longer than 1,048,576 bytes"):
        fetch([published(f"{server}/endless/x", size=0)], tmp_path)
    assert lying(tmp_path) == []


@pytest.mark.parametrize("how", ["wrong", "half"])
def test_a_bad_transfer_keeps_what_was_there(server: str, tmp_path: Path, how: str) -> None:
    (tmp_path / "x.gz").write_bytes(b"older")
    with pytest.raises((ValueError, ConnectionError), match="could not be downloaded"):
        fetch([published(f"{server}/{how}/x")], tmp_path)
    assert (tmp_path / "x.gz").read_bytes() == b"older"


def test_a_server_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(ConnectionError, match=r"http://127\.0\.0\.1:9/x failed with Connection refused; try"):
        fetch([published("http://127.0.0.1:9/x")], tmp_path)
    assert lying(tmp_path) == []


def test_a_killed_download_leaves_no_file_of_that_name(server: str, seen: list[str], tmp_path: Path) -> None:
    script = (
        "import sys, pathlib\n"
        "from kontrast.datasets.download import Published, fetch\n"
        "fetch([Published('x.gz', 10**9, '0' * 64, (sys.argv[1],))], pathlib.Path(sys.argv[2]))\n"
    )
    child = Forked(forked.script, script, f"{server}/hang/x", str(tmp_path))
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
        assert lying(tmp_path / folder) == sorted(file.name for file in files)


def test_get_says_which_name_was_meant() -> None:
    with pytest.raises(ValueError, match="no dataset to download named 'FashionMnist'; did you mean 'FashionMNIST'"):
        get("FashionMnist")
    with pytest.raises(ValueError, match="no dataset to download named 'Hub'; write one of CIFAR10, CIFAR100, Cars3D"):
        get("Hub")


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
    for file in (file for cls in known(Dataset).values() if issubclass(cls, Downloadable) for file in cls.files):
        length = {"sha256": 32, "md5": 16, "git": 20, "": 0}[file.kind]
        assert len(bytes.fromhex(file.checksum.rpartition(":")[2])) == length
        assert file.urls
    for file in (file for cls in (FashionMNIST, *ARCHIVED) for file in cls.files):
        assert file.kind == "sha256"
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
    assert lying(folder) == ["cifar-10-batches-bin"]
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
    assert lying(tmp_path / "own") == ["cifar-10-batches-bin", archive.name]
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
    changed = served._replace(size=len(hostile), checksum=hashlib.sha256(hostile).hexdigest())
    monkeypatch.setattr(CIFAR10, "files", (changed,))
    with pytest.raises(ValueError, match=r"cannot be unpacked: '\.\.' leads out of its folder"):
        get("CIFAR10", progress=False)
    assert lying(tmp_path / "data" / "cifar-10") == [served.name]


@pytest.mark.parametrize("how", ["wrong", "half"])
def test_a_bad_archive_is_not_unpacked(
    served: Published, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(CIFAR10, "files", (served._replace(urls=(f"{server}/{how}/{served.name}",)),))
    with pytest.raises((ValueError, ConnectionError), match="could not be downloaded"):
        get("CIFAR10", progress=False)
    assert [name for name in lying(tmp_path / "data" / "cifar-10") if ".part" not in name] == []


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
