import contextlib
import errno
import gzip
import io
import os
import re
import stat
import tarfile
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from kontrast.datasets import archives
from kontrast.datasets.archives import Bounds, unpack

import forked
import formats

BOUNDS = Bounds("top", 10_000, 8)


def tar(*members: tuple[tarfile.TarInfo, bytes], mode: str = "w:gz") -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode=mode) as out:
        for info, content in members:
            info.size = len(content)
            out.addfile(info, io.BytesIO(content))
    return written.getvalue()


def entry(
    name: str, kind: bytes = tarfile.REGTYPE, content: bytes = b"", to: str = ""
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, to, 0o4777
    return info, content


def zipped(*members: tuple[str, bytes, int]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content, mode in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            with pytest.warns(UserWarning, match="Duplicate") if name in out.namelist() else contextlib.nullcontext():
                out.writestr(info, content)
    return written.getvalue()


SOUND = (
    entry("top", tarfile.DIRTYPE),
    entry("top/a", content=b"alpha"),
    entry("top/deep/b", content=b"beta"),
)
SOUND_ZIP = (("top/", b"", stat.S_IFDIR | 0o755), ("top/a", b"alpha", 0), ("top/deep/b", b"beta", stat.S_IFREG | 0o644))
KINDS = {"tar": tar(*SOUND, mode="w"), "tar.gz": tar(*SOUND), "zip": zipped(*SOUND_ZIP)}


def there(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("one", "other"),
    [("top/A", "top/a"), ("top/x/a", "top/X/b"), ("top/stra\u00dfe", "top/STRASSE"), ("top/\u00e9", "top/e\u0301")],
)
@pytest.mark.parametrize("packed", ["tar", "zip"])
def test_names_that_some_disks_do_not_tell_apart_are_refused(tmp_path: Path, packed: str, one: str, other: str) -> None:
    content = tar(entry(one), entry(other)) if packed == "tar" else zipped((one, b"", 0), (other, b"", 0))
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ValueError, match=r"differs from another, .* by case alone"):
        unpack(tmp_path / "x", tmp_path / "out", BOUNDS)
    assert os.listdir(tmp_path / "out") == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_sound_archive_becomes_a_folder(tmp_path: Path, kind: str) -> None:
    (tmp_path / "x").write_bytes(KINDS[kind])
    told: list[tuple[int, int]] = []
    folder = unpack(tmp_path / "x", tmp_path / "new" / "place", BOUNDS, lambda *what: told.append(what))
    assert folder == tmp_path / "new" / "place" / "top"
    assert there(folder) == {"a": b"alpha", "deep/b": b"beta"}
    assert os.listdir(folder.parent) == ["top"]
    assert (tmp_path / "x").exists()
    whole = len(KINDS[kind])
    assert [size for _, size in told] == [whole] * 3
    assert 0 <= told[0][0] <= told[1][0] <= told[2][0] <= whole
    assert told[-1][0] > 0


def test_modes_of_the_archive_are_not_taken(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(KINDS["tar"])
    folder = unpack(tmp_path / "x", tmp_path, BOUNDS)
    umask = os.umask(0)
    os.umask(umask)
    assert (folder / "a").stat().st_mode & 0o7777 == 0o666 & ~umask
    assert folder.stat().st_mode & 0o7777 == 0o777 & ~umask


def late(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    return tar(*SOUND, *members)


SYMLINK, DEVICE = stat.S_IFLNK | 0o777, stat.S_IFCHR | 0o666
HOSTILE = {
    "absolute": (late(entry("/elsewhere/evil", content=b"x")), "'/elsewhere/evil' is an absolute path"),
    "a drive": (late(entry("C:/evil", content=b"x")), "is an absolute path"),
    "up": (late(entry("top/../../evil", content=b"x")), r"'top/\.\./\.\./evil' leads out of its folder"),
    "beside": (late(entry("evil", content=b"x")), "'evil' is not in the folder top"),
    "symbolic link": (late(entry("top/l", tarfile.SYMTYPE, to="/etc/passwd")), "'top/l' is a link"),
    "hard link": (late(entry("top/l", tarfile.LNKTYPE, to="top/a")), "'top/l' is a link"),
    "device": (late(entry("top/d", tarfile.CHRTYPE)), "'top/d' is a device"),
    "pipe": (late(entry("top/p", tarfile.FIFOTYPE)), "'top/p' is a device"),
    "holes": (late(entry("top/h", tarfile.GNUTYPE_SPARSE)), "is a file with holes|damaged"),
    "twice": (late(entry("top/a", content=b"other")), "'top/a' comes twice"),
    "a file as a folder": (late(entry("top/a/b", content=b"x")), "'top/a/b' comes twice"),
    "backslash": (late(entry("top\\..\\evil", content=b"x")), "signs that no file should have"),
    "newline": (late(entry("top/a\nb", content=b"x")), "signs that no file should have"),
    "many": (late(*(entry(f"top/{n}") for n in range(9))), "more than the 8 members"),
    "large": (late(entry("top/big", content=bytes(10_001))), "more than the 10,000 bytes"),
    "large together": (late(*(entry(f"top/{n}", content=bytes(4000)) for n in range(3))), "more than the 10,000 bytes"),
    "no folder": (tar(entry("top", content=b"x")), "it has no folder top"),
    "nothing in it": (tar(), "it has no folder top"),
    "empty": (b"", "it is empty"),
    "no archive": (b"hello, world" * 100, "it is damaged"),
    "cut": (KINDS["tar.gz"][:-20], "it is damaged"),
    "cut early": (KINDS["tar.gz"][:40], "it is damaged"),
    "zip up": (zipped(*SOUND_ZIP, ("top/../../evil", b"x", 0)), "leads out of its folder"),
    "zip absolute": (zipped(*SOUND_ZIP, ("/evil", b"x", 0)), "is an absolute path"),
    "zip link": (zipped(*SOUND_ZIP, ("top/l", b"/etc/passwd", SYMLINK)), "'top/l' is a link"),
    "zip device": (zipped(*SOUND_ZIP, ("top/d", b"", DEVICE)), "'top/d' is a device"),
    "zip bomb": (zipped(*SOUND_ZIP, ("top/big", bytes(10_001), 0)), "more than the 10,000 bytes"),
    "zip twice": (zipped(*SOUND_ZIP, ("top/a", b"other", 0)), "'top/a' comes twice"),
    "a long name": (late(entry("top/" + 86 * "\u4f60", content=b"x")), "is a longer name than the 255 bytes"),
    "a long folder": (late(entry("top/" + 256 * "b" + "/c", content=b"x")), "is a longer name than the 255 bytes"),
    "a long path": (late(entry("top" + 40 * ("/" + 200 * "b"), content=b"x")), "a path that is too long for .*two$"),
    "zip long name": (zipped(*SOUND_ZIP, ("top/" + 256 * "b", b"x", 0)), "is a longer name than the 255 bytes"),
    "zip cut": (KINDS["zip"][:-30], "it is damaged"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_or_damaged_archive_leaves_nothing(tmp_path: Path, case: str) -> None:
    content, fault = HOSTILE[case]
    inside = tmp_path / "one" / "two"
    inside.mkdir(parents=True)
    (inside / "x").write_bytes(content)
    with pytest.raises(ValueError, match=fault) as caught:
        unpack(inside / "x", inside, BOUNDS)
    assert str(caught.value).startswith(f"{inside / 'x'} cannot be unpacked: ")
    assert there(tmp_path) == {"one/two/x": content}
    assert os.listdir(inside) == ["x"]


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    written = bytearray(KINDS["zip"])
    for magic, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = -1
        while (start := written.find(magic, start + 1)) >= 0:
            written[start + at] |= 1
    (tmp_path / "x").write_bytes(written)
    with pytest.raises(ValueError, match="is encrypted, and only files and folders are taken"):
        unpack(tmp_path / "x", tmp_path, BOUNDS)


def test_every_changed_byte_of_a_zipped_file_is_found(tmp_path: Path) -> None:
    start = KINDS["zip"].index(b"top/a") + len("top/a")
    for place in range(start, start + 7):
        changed = bytearray(KINDS["zip"])
        changed[place] ^= 0xFF
        (tmp_path / "x").write_bytes(changed)
        with pytest.raises(ValueError, match="damaged"):
            unpack(tmp_path / "x", tmp_path, BOUNDS)


def test_a_folder_that_another_process_has_made_is_kept(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(KINDS["tar"])
    (tmp_path / "top").mkdir()
    (tmp_path / "top" / "first").write_text("1")
    assert unpack(tmp_path / "x", tmp_path, BOUNDS) == tmp_path / "top"
    assert there(tmp_path / "top") == {"first": b"1"}
    assert sorted(os.listdir(tmp_path)) == ["top", "x"]


def test_a_full_disk_is_named_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").write_bytes(KINDS["tar"])
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda _: SimpleNamespace(free=9))
    with pytest.raises(ValueError, match=r"unpacks to 10,000 bytes, but .* has room for 9; free some"):
        unpack(tmp_path / "x", tmp_path, BOUNDS)
    assert os.listdir(tmp_path) == ["x"]


def test_a_header_that_asks_for_much_costs_little(tmp_path: Path) -> None:
    """A pax header of 200 MB in a gzip stream of 200 kB is refused within 64 MB of memory."""
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 200 << 20
    with gzip.open(tmp_path / "x", "wb", compresslevel=1) as out:
        out.write(header.tobuf(tarfile.USTAR_FORMAT))
        for _ in range(200):
            out.write(bytes(1 << 20))
    script = (
        "import pathlib, resource, sys\n"
        "from kontrast.datasets.archives import Bounds, unpack\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: unpack(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), Bounds('top', 1 << 20, 8))\n"
        "except ValueError as error: print(error)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)\n"
    )
    done = forked.run(script, tmp_path / "x", tmp_path)
    assert done.returncode == 0, done.stderr
    fault, megabytes = done.stdout.splitlines()
    assert "more than the 1,048,576 bytes" in fault
    assert int(megabytes) < 64
    assert os.listdir(tmp_path) == ["x"]


@pytest.mark.parametrize("pack", [formats.packed, formats.zipped])
def test_what_was_packed_comes_back(tmp_path: Path, pack) -> None:
    folder = formats.tiny_imagenet(tmp_path / "made")
    (tmp_path / "x").write_bytes(pack(folder))
    found = unpack(tmp_path / "x", tmp_path / "found", Bounds(folder.name, 1 << 20, 100))
    assert there(found) == there(folder)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_however_a_zip_file_is_damaged_it_is_said_in_one_sentence(tmp_path: Path, method: int) -> None:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", method) as out:
        out.writestr("top/a", b"alpha" * 9)
    told: list[str] = []
    for place in range(len(written.getvalue())):
        for change in (1, 0xFF):
            changed = bytearray(written.getvalue())
            changed[place] ^= change
            (tmp_path / "x").write_bytes(changed)
            try:
                archives.shutil.rmtree(unpack(tmp_path / "x", tmp_path, BOUNDS))
            except ValueError as error:
                told.append(str(error))
    assert len(told) > 100
    assert all(re.fullmatch(rf"{re.escape(str(tmp_path))}/x cannot be unpacked: [^\n]+", fault) for fault in told)
    assert not any("/.top." in fault for fault in told)


def test_a_disk_that_fails_is_no_fault_of_the_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "x").write_bytes(KINDS["zip"])
    monkeypatch.setattr(archives.shutil, "copyfileobj", full)
    with pytest.raises(OSError, match="No space left on device"):
        unpack(tmp_path / "x", tmp_path, BOUNDS)
    assert os.listdir(tmp_path) == ["x"]
