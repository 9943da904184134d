import gzip
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kontrast.datasets import idx

VALUES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


def file(values: np.ndarray, sizes: tuple[int, ...] | None = None, code: int = 0x08) -> bytes:
    sizes = values.shape if sizes is None else sizes
    return bytes([0, 0, code, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes) + values.tobytes()


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("name", ["x", "x.gz"])
def test_reads_what_was_written(tmp_path: Path, pack, name: str) -> None:
    (tmp_path / name).write_bytes(pack(file(VALUES)))
    found = idx.read(tmp_path / name, (None, 3, 4))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, VALUES)


def test_reads_a_hand_written_file(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\x00\x00\x08\x01\x00\x00\x00\x03\x07\x00\xff")
    assert idx.read(tmp_path / "x", (None,)).tolist() == [7, 0, 255]


DAMAGE = {
    "empty": (b"", "it is empty"),
    "two bytes": (b"\x00\x00", "does not begin"),
    "wrong magic": (b"\x93NUMPY" + file(VALUES), "does not begin"),
    "unknown type": (file(VALUES, code=0x0A), "does not begin"),
    "another type": (file(VALUES, code=0x0D), "its values are float32, not uint8"),
    "another rank": (file(VALUES.reshape(6, 4)), "it has 2 dimensions, not 3"),
    "another size": (file(VALUES.reshape(2, 4, 3)), "its size is 2 x 4 x 3, not n x 3 x 4"),
    "half a header": (file(VALUES)[:9], "it ends within its header"),
    "no rows": (file(VALUES[:0]), "holds nothing"),
    "truncated": (file(VALUES)[:-1], "asks for 24 bytes of values, but it holds 23"),
    "trailing bytes": (file(VALUES) + b"\x00", "asks for 24 bytes of values, but it holds"),
    "lying header": (file(VALUES, (9, 3, 4)), "asks for 108 bytes of values, but it holds 24"),
    "huge header": (file(VALUES, (2**32 - 1, 3, 4)), "more than the 1,073,741,824 that are allowed"),
}


@pytest.mark.parametrize("case", DAMAGE)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_refuses_a_damaged_file(tmp_path: Path, pack, case: str) -> None:
    content, fault = DAMAGE[case]
    (tmp_path / "x").write_bytes(pack(content))
    with pytest.raises(ValueError, match=fault) as caught:
        idx.read(tmp_path / "x", (None, 3, 4))
    assert str(caught.value).startswith(f"{tmp_path / 'x'}: ")


PACKED = gzip.compress(file(VALUES), mtime=0)


@pytest.mark.parametrize("length", range(2, len(PACKED)))
def test_refuses_a_gzip_stream_cut_anywhere(tmp_path: Path, length: int) -> None:
    (tmp_path / "x").write_bytes(PACKED[:length])
    with pytest.raises(ValueError, match=r"gzip stream is damaged|holds|ends within|is empty"):
        idx.read(tmp_path / "x", (None, 3, 4))


def test_every_flipped_bit_is_found(tmp_path: Path) -> None:
    """In the stream and the sums after it, except in the stream's last byte: some of its bits mean nothing."""
    for place in set(range(10, len(PACKED))) - {len(PACKED) - 9}:
        for bit in range(8):
            flipped = bytearray(PACKED)
            flipped[place] ^= 1 << bit
            (tmp_path / "x").write_bytes(flipped)
            with pytest.raises(ValueError, match="x: it"):
                idx.read(tmp_path / "x", (None, 3, 4))


def test_refuses_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="it is not a file"):
        idx.read(tmp_path, (None,))
    with pytest.raises(ValueError, match="it is not a file"):
        idx.read(tmp_path / "missing", (None,))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the memory in use is not known here")
def test_a_bomb_costs_no_more_than_it_declares(tmp_path: Path) -> None:
    """256 MB of zeros behind a header of 1,000 bytes, and a header of 900 MB before 3 bytes, in 32 MB of memory."""
    header = bytes([0, 0, 8, 1])
    with gzip.open(tmp_path / "bomb", "wb", compresslevel=1) as out:
        out.write(header + struct.pack(">I", 1000))
        for _ in range(256):
            out.write(bytes(1 << 20))
    (tmp_path / "lie").write_bytes(gzip.compress(header + struct.pack(">I", 900_000_000) + b"few"))
    script = (
        "import importlib.util, pathlib, re, sys\n"
        # Of this program alone: ru_maxrss would begin with that of the worker which started it.
        "peak = lambda: int(re.search(r'VmHWM:\\s+(\\d+)', pathlib.Path('/proc/self/status').read_text())[1])\n"
        "spec = importlib.util.spec_from_file_location('idx', sys.argv[1])\n"
        "idx = importlib.util.module_from_spec(spec); spec.loader.exec_module(idx)\n"
        "before = peak()\n"
        "for path in sys.argv[2:]:\n"
        "    try: idx.read(pathlib.Path(path), (None,))\n"
        "    except ValueError as error: print(error)\n"
        "print((peak() - before) // 1024)\n"
    )
    command = [sys.executable, "-c", script, idx.__file__, str(tmp_path / "bomb"), str(tmp_path / "lie")]
    *faults, megabytes = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert "it holds more" in faults[0]
    assert "it holds 3" in faults[1]
    assert int(megabytes) < 32
