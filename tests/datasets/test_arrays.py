"""NumPy files from elsewhere, sound and hostile."""

import io
import pickle
import resource
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.lib.format import write_array_header_1_0

from kontrast.datasets import arrays
from kontrast.datasets.arrays import Mapped


def header(descr: object, shape: tuple[int, ...]) -> bytes:
    out = io.BytesIO()
    write_array_header_1_0(out, {"descr": descr, "fortran_order": False, "shape": shape})
    return out.getvalue()


def npy(values: np.ndarray, **options: object) -> bytes:
    out = io.BytesIO()
    np.save(out, values, **options)
    return out.getvalue()


def packed(path: Path, *members: tuple[str, bytes], kind: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


class Spy:
    """A pickle of it writes a file when it is read."""

    def __reduce__(self) -> tuple[object, ...]:
        return (open, ("canary", "w"))


VALUES = np.arange(24, dtype=np.float32).reshape(6, 4)


@pytest.mark.parametrize("values", [VALUES, VALUES.astype(">f4"), np.asfortranarray(VALUES)])
def test_a_sound_file_is_read(tmp_path: Path, values: np.ndarray) -> None:
    (tmp_path / "x.npy").write_bytes(npy(values))
    found = arrays.read(tmp_path / "x.npy", "f4 f8", (None, 4))
    assert np.array_equal(found, VALUES)
    assert np.array_equal(arrays.mapped(tmp_path / "x.npy", "f4", (6, 4)), VALUES)
    np.savez_compressed(tmp_path / "x.npz", one=values, other=np.array({"a": 1}, dtype=object))
    assert np.array_equal(arrays.member(tmp_path / "x.npz", "one", "f4", (6, None)).read(), VALUES)


def test_what_repeats_itself_is_shortened_in_the_message(tmp_path: Path) -> None:
    for descr in ("[" * 190, "'" + "[" * 190 + "'", "'" + "<f" * 90 + "'"):
        text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': (3, 2), }}".encode().ljust(245) + b"\n"
        (tmp_path / "x.npy").write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(6))
        with pytest.raises(ValueError, match=r"x\.npy: ") as told:
            arrays.read(tmp_path / "x.npy", "u1", (3, 2))
        assert len(str(told.value).split("x.npy: ")[1]) < 160, told.value


def test_a_header_of_python_2_is_read(tmp_path: Path) -> None:
    text = b"{'descr': '|u1', 'fortran_order': False, 'shape': (3L, 2L), }"
    text = text.ljust(117) + b"\n"
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(range(6)))
    assert arrays.read(tmp_path / "x.npy", "u1", (3, 2)).tolist() == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (header("<f4", (1 << 40, 4))[:-1] + b"\n", "asks for 17,592,186,044,416 bytes, more than"),
        (header("<f4", (10**30, 4)), "more than the"),
        (header("<f4", (600, 4)) + bytes(96), "asks for 9,600 bytes of values, but it holds 96"),
        (npy(VALUES)[:-1], "asks for 96 bytes of values, but it holds 95"),
        (npy(VALUES) + b"x", "but it holds 97"),
        (npy(VALUES.astype(np.int32)), "its values are int32, not float32 or float64"),
        (npy(VALUES.astype("S4")), "its values are"),
        (npy(VALUES[None]), "its size is 1 x 6 x 4, not n x 4"),
        (npy(VALUES[:, :3].copy()), "its size is 6 x 3, not n x 4"),
        (npy(np.float32(1)), "its size is that of one number, not n x 4"),
        (npy(np.array([[Spy()] * 4], object), allow_pickle=True), "an array of objects"),
        (npy(np.zeros((2, 4), [("a", "O")]), allow_pickle=True), "an array of objects"),
        (header("<f4", (True, 4)) + bytes(16), "its size is True x 4, not n x 4"),
        (header("<f4", (-6, -4)), "its size is -6 x -4"),
        (b"\x93NUMPY\x03\x00" + npy(VALUES)[8:], "version 3.0"),
        (b"", "."),
        (b"\x93NUMPY", "."),
        (b"<html>not found</html>", "."),
        (pickle.dumps(Spy()), "."),
        (b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 5000, "."),
        (b"\x93NUMPY\x01\x00" + struct.pack("<H", 3000) + b"[" * 3000, "."),
    ],
)
def test_a_hostile_file_is_one_sentence(tmp_path: Path, monkeypatch, content: bytes, fault: str) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "x.npy"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=fault) as caught:
        arrays.read(path, "f4 f8", (None, 4))
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    packed(tmp_path / "x.npz", ("x.npy", content))
    with pytest.raises(ValueError, match=fault):
        arrays.member(tmp_path / "x.npz", "x", "f4 f8", (None, 4)).read()
    assert not (tmp_path / "canary").exists()


def test_what_is_no_file_is_said(tmp_path: Path) -> None:
    for read in (arrays.find, lambda *what: arrays.member(what[0], "x", *what[1:])):
        with pytest.raises(ValueError, match="it is not a file"):
            read(tmp_path, "f4", (1,))


def lying(path: Path, size: int) -> Path:
    """The archive, whose one member says in both its places that it has another size."""
    content = bytearray(path.read_bytes())
    local, central = content.index(b"PK\x03\x04"), content.index(b"PK\x01\x02")
    content[local + 22 : local + 26] = content[central + 24 : central + 28] = struct.pack("<I", size)
    path.write_bytes(content)
    return path


def test_hostile_archives_are_one_sentence(tmp_path: Path) -> None:
    big = header("<f4", (10_000_000, 4))
    cases = {
        "it has more than one array x": packed(tmp_path / "twice.npz", ("x.npy", npy(VALUES)), ("x", npy(VALUES))),
        "it has no array x; it has y": packed(tmp_path / "other.npz", ("y.npy", npy(VALUES))),
        "packed in a way": packed(tmp_path / "lzma.npz", ("x.npy", npy(VALUES)), kind=zipfile.ZIP_LZMA),
        "more than can be packed so": lying(packed(tmp_path / "lie.npz", ("x.npy", big)), len(big) + 160_000_000),
        # Zeros, packed as tightly as possible, that say to be much shorter than they are.
        "damaged|lack|more in it": lying(
            packed(tmp_path / "bomb.npz", ("x.npy", header("<f4", (6, 4)) + bytes(1 << 22))), len(npy(VALUES))
        ),
    }
    secret = packed(tmp_path / "secret.npz", ("x.npy", npy(VALUES)), kind=zipfile.ZIP_STORED)
    content = bytearray(secret.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    secret.write_bytes(content)
    (tmp_path / "cut.npz").write_bytes((tmp_path / "other.npz").read_bytes()[:-30])
    cases |= {"is encrypted": secret, "damaged": tmp_path / "cut.npz"}
    for fault, path in cases.items():
        with pytest.raises(ValueError, match=fault) as caught:
            arrays.member(path, "x", "f4", (None, 4)).read()
        assert str(caught.value).startswith(f"{path}: "), fault


def test_a_damaged_member_is_found_by_its_own_sum(tmp_path: Path) -> None:
    path = packed(tmp_path / "x.npz", ("x.npy", npy(VALUES)), kind=zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    content[content.index(VALUES.tobytes()) + 9] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="it is damaged"):
        arrays.member(path, "x", "f4", (6, 4)).read()
    with pytest.raises(ValueError, match="it is damaged"):
        arrays.member(path, "x", "f4", (6, 4)).extract(tmp_path / "out.npy")


def test_a_member_is_written_piece_by_piece(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(arrays, "PIECE", 7)
    np.savez_compressed(tmp_path / "x.npz", imgs=np.arange(2, dtype=np.uint8).repeat(50).reshape(25, 2, 2))
    found = arrays.member(tmp_path / "x.npz", "imgs", "u1", (None, 2, 2))
    found.extract(tmp_path / "out.npy", most=1)
    assert (tmp_path / "out.npy").read_bytes() == npy(found.read())
    with pytest.raises(ValueError, match="it has values above 0, up to 1"):
        found.extract(tmp_path / "again.npy", most=0)
    np.savez(tmp_path / "y.npz", imgs=np.asfortranarray(np.ones((3, 2), np.uint8)))
    with pytest.raises(ValueError, match="by columns"):
        arrays.member(tmp_path / "y.npz", "imgs", "u1", (3, 2)).extract(tmp_path / "y.npy")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the memory in use is not known here")
def test_a_large_claim_takes_no_memory(tmp_path: Path) -> None:
    """Where no 100 MB more may be taken: a header of 7 TiB, and an archive that unpacks to 300 MB of zeros."""
    (tmp_path / "x.npy").write_bytes(header("<f8", (1_000_000_000_000,)))
    bomb = zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1)
    with bomb, bomb.open("x.npy", "w", force_zip64=True) as out:
        out.write(header("|u1", (100,)))
        for _ in range(300):
            out.write(bytes(1_000_000))
    limits = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 100_000_000, limits[1]))
    try:
        with pytest.raises(ValueError, match="asks for 8,000,000,000,000 bytes of values, but it holds 0"):
            arrays.read(tmp_path / "x.npy", "f8", (None,), 1 << 60)
        with pytest.raises(ValueError, match="asks for 100 bytes of values, but it holds 300,000,000"):
            arrays.member(tmp_path / "x.npz", "x", "u1", (None,)).read()
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


def test_no_flipped_bit_does_anything_else(tmp_path: Path) -> None:
    """Whatever byte is changed: the same values, other values of the same shape, or one sentence."""
    generator = np.random.default_rng(0)
    whole = {"x.npy": npy(VALUES), "x.npz": packed(tmp_path / "x.npz", ("x.npy", npy(VALUES))).read_bytes()}
    for name, content in whole.items():
        path, told = tmp_path / name, []
        for _ in range(200):
            changed = bytearray(content)
            changed[generator.integers(len(changed))] = generator.integers(256)
            path.write_bytes(changed)
            try:
                if name == "x.npy":
                    found = arrays.read(path, "f4 f8", (None, 4))
                else:
                    found = arrays.member(path, "x", "f4 f8", (None, 4)).read()
                assert found.shape == (6, 4)
            except ValueError as error:
                told.append(str(error))
        assert len(told) > 20
        assert all(sentence.startswith(f"{path}: ") and "\n" not in sentence for sentence in told)


def test_latents_have_to_be_numbers_and_as_many_as_pictures(tmp_path: Path) -> None:
    latents = np.arange(8.0).reshape(4, 2)
    found = arrays.finite(tmp_path, latents, 4)
    assert found.dtype == torch.float32
    assert found.tolist() == latents.tolist()
    with pytest.raises(ValueError, match="it has 4 rows of latents, but there are 5 pictures"):
        arrays.finite(tmp_path, latents, 5)
    latents[1, 0], latents[3, 1] = np.nan, np.inf
    with pytest.raises(ValueError, match="row 1 has latents that are no finite numbers, and so have 1 others"):
        arrays.finite(tmp_path, latents)


@pytest.mark.parametrize(("shape", "last"), [((9, 4, 5), False), ((9, 3, 4, 5), False), ((9, 4, 5, 3), True)])
def test_mapped_rows_are_those_of_the_array(tmp_path: Path, shape: tuple[int, ...], last: bool) -> None:
    values = np.random.default_rng(0).integers(0, 2, shape, np.uint8)
    np.save(tmp_path / "x.npy", values)
    expected = torch.from_numpy(values) * 255
    expected = expected[:, None] if expected.ndim == 3 else expected.permute(0, 3, 1, 2) if last else expected
    store = Mapped(arrays.mapped(tmp_path / "x.npy", "u1", shape), "here", None, last, 255)
    assert store.shape == tuple(expected.shape)
    assert torch.equal(store.memory(), expected)
    rows = torch.tensor([4, 0, 8, 4])
    some = store.select(torch.tensor([8, 4, 2, 0]))
    assert torch.equal(some.memory(), expected[[8, 4, 2, 0]])
    assert torch.equal(some.select(torch.tensor([3, 1])).memory(), expected[[0, 4]])
    read, where = store.mapped()
    out = torch.empty(4, *expected.shape[1:], dtype=torch.uint8)
    read(rows, out)
    assert where == "mapped from here"
    assert torch.equal(out, expected[rows])
    assert store.streamed() is None
