"""HDF5 files from elsewhere, sound and hostile."""

import textwrap
from pathlib import Path

import numpy as np
import pytest

from kontrast.datasets import check, hdf5
from kontrast.datasets.shapes3d import NAME

import forked
import formats_factorial
from formats_factorial import _Shapes3D

h5py = pytest.importorskip("h5py")

VALUES = np.arange(7 * 5 * 4, dtype=np.float64).reshape(7, 5, 4)
LAYOUTS: dict[str, dict[str, object]] = {
    "contiguous": {},
    "chunks": {"chunks": (3, 2, 4)},
    "gzip": {"chunks": (2, 5, 3), "compression": "gzip"},
    "lzf": {"chunks": (3, 2, 4), "compression": "lzf", "shuffle": True},
    "sums": {"chunks": (3, 5, 4), "compression": "gzip", "fletcher32": True},
    "shuffled": {"chunks": (4, 4, 4), "compression": "gzip", "shuffle": True},
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["f8", "u1", "i2"])
def test_a_sound_dataset_is_read(tmp_path: Path, layout: str, dtype: str) -> None:
    values = VALUES.astype(dtype)
    with h5py.File(tmp_path / "x.h5", "w", userblock_size=512) as file:
        file.create_dataset("x", data=values, **LAYOUTS[layout])
    assert np.array_equal(hdf5.read(tmp_path / "x.h5", "x", dtype, values.shape), values)
    hdf5.extract(tmp_path / "x.h5", "x", dtype, values.shape, tmp_path / "x.npy")
    assert np.array_equal(np.load(tmp_path / "x.npy"), values)


def write(path: Path, what: str) -> None:
    with h5py.File(path, "w") as file:
        good = file.create_dataset("good", data=VALUES)
        match what:
            case "external":
                (path.parent / "secret").write_bytes(b"secret" * 200)
                file.create_dataset("x", VALUES.shape, "f8", external=[(path.parent / "secret", 0, VALUES.nbytes)])
            case "virtual":
                layout = h5py.VirtualLayout(VALUES.shape, "f8")
                layout[:] = h5py.VirtualSource(good)
                file.create_virtual_dataset("x", layout)
            case "soft":
                file["x"] = h5py.SoftLink("/good")
            case "loop":
                file["x"] = h5py.SoftLink("/x")
            case "other file":
                file["x"] = h5py.ExternalLink("other.h5", "/x")
            case "group":
                file.create_group("x")
            case "dtype":
                file["x"] = VALUES.astype("f4")
            case "strings":
                file.create_dataset("x", data=["a"] * 3, dtype=h5py.string_dtype())
            case "shape":
                file["x"] = VALUES[:6]
            case "scalar":
                file["x"] = 1.0
            case "scaled":
                file.create_dataset("x", data=VALUES, scaleoffset=3, chunks=(7, 5, 4))
            case "never written":
                file.create_dataset("x", VALUES.shape, "f8")
            case "missing piece":
                file.create_dataset("x", VALUES.shape, "f8", chunks=(3, 5, 4))[:3] = 1
            case "bomb":
                dataset = file.create_dataset("x", VALUES.shape, "f8", chunks=(7, 5, 4), compression="gzip")
                import zlib

                dataset.id.write_direct_chunk((0, 0, 0), zlib.compress(bytes(1 << 22), 9))
            case "short piece":
                dataset = file.create_dataset("x", VALUES.shape, "f8", chunks=(7, 5, 4), compression="gzip")
                dataset.id.write_direct_chunk((0, 0, 0), b"no zlib stream")
            case "huge pieces":
                file.create_dataset("x", VALUES.shape, "f8", chunks=(1 << 13, 1 << 9, 4), maxshape=(None, None, 4))


@pytest.mark.parametrize(
    ("what", "fault"),
    [
        ("external", "lie in other files"),
        ("virtual", "put together from others"),
        ("soft", "a link to somewhere else"),
        ("loop", "a link to somewhere else|has no dataset"),
        ("other file", "a link to somewhere else"),
        ("group", "is no dataset"),
        ("dtype", "are float32, not float64"),
        ("strings", "are object, not float64"),
        ("shape", "is 6 x 5 x 4, not 7 x 5 x 4"),
        ("scalar", "not 7 x 5 x 4"),
        ("scaled", "packed in a way"),
        ("never written", "is not whole"),
        ("missing piece", "lacks the piece at"),
        ("bomb", "has not the 1,120 bytes"),
        ("short piece", "header check"),
        ("huge pieces", "more than are allowed"),
        ("nothing", "it has no dataset x"),
    ],
)
def test_a_hostile_dataset_is_one_sentence(tmp_path: Path, what: str, fault: str) -> None:
    path = tmp_path / "x.h5"
    write(path, what)
    with pytest.raises(ValueError, match=fault) as caught:
        hdf5.read(path, "x", "f8", VALUES.shape)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_what_is_no_such_file_is_one_sentence(tmp_path: Path) -> None:
    write(tmp_path / "x.h5", "nothing")
    whole = (tmp_path / "x.h5").read_bytes()
    for content in (b"", b"text", whole[:600], whole[: len(whole) // 2]):
        (tmp_path / "x.h5").write_bytes(content)
        with pytest.raises(ValueError, match="no sound HDF5 file"):
            hdf5.read(tmp_path / "x.h5", "good", "f8", VALUES.shape)
    with pytest.raises(ValueError, match="it is not a file"):
        hdf5.read(tmp_path, "good", "f8", VALUES.shape)


def test_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", (1 << 40,), "u1", chunks=(1 << 20,))
    with pytest.raises(ValueError, match="takes 1,099,511,627,776 bytes, more than"):
        hdf5.extract(tmp_path / "x.h5", "x", "u1", (1 << 40,), tmp_path / "out")


def test_labels_that_are_no_full_product_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KONTRAST_DATA", str(tmp_path / "cache"))
    labels = formats_factorial.labels(_Shapes3D())
    for change, fault in (((3, 5, 0.25), "row 3 has orientation 0.25"), ((9, 0, np.inf), "row 9 has latents that")):
        wrong = labels.copy()
        wrong[change[0], change[1]] = change[2]
        dataset = _Shapes3D(root=str(formats_factorial.shapes3d(tmp_path, wrong)))
        with pytest.raises(ValueError, match=f"{NAME}: {fault}"):
            dataset.hold("train")
        assert len(check(dataset)) == 1
    # Scales as the description of the set has them.
    labels[:, 3] = (labels[:, 3] - 0.75) * 2
    found = _Shapes3D(root=str(formats_factorial.shapes3d(tmp_path, labels))).read("train")
    assert set(found.latents[:, 3].tolist()) == {0.75, 1.25}


def test_no_flipped_bit_does_anything_else(tmp_path: Path) -> None:
    """In a process of its own, since a library that reads beyond its memory takes the process with it."""
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", data=VALUES, chunks=(4, 5, 4), compression="gzip", shuffle=True)
    script = """
        import pathlib, sys
        import numpy as np
        from kontrast.datasets import hdf5
        path, generator = pathlib.Path(sys.argv[1]), np.random.default_rng(0)
        whole = path.read_bytes()
        used = np.flatnonzero(np.frombuffer(whole, np.uint8))
        for _ in range(80):
            content = bytearray(whole)
            content[generator.choice(used)] = generator.integers(256)
            path.write_bytes(content)
            try:
                assert hdf5.read(path, "x", "f8", (7, 5, 4)).shape == (7, 5, 4)
            except ValueError as error:
                assert str(error).startswith(f"{path}: "), error
                print(str(error).replace(str(path), "x"))
    """
    told = forked.run(textwrap.dedent(script), tmp_path / "x.h5", timeout=100)
    assert told.returncode == 0, told.stderr[-2000:]
    assert 20 < len(told.stdout.splitlines()) <= 80
