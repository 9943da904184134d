"""Pickles of arrays: what they hold is read, and nothing that they ask for is done."""

import contextlib
import os
import pickle
import pickletools
import struct
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from kontrast.datasets import unpickling

import formats_kitti

MOST = 1 << 22
P = b"\x80\x04"


@pytest.fixture
def read(tmp_path):
    def from_bytes(content: bytes, most: int = MOST):
        path = tmp_path / "some.pickle"
        path.write_bytes(content)
        return unpickling.read(path, most)

    return from_bytes


def refused(read, content: bytes, match: str = "some.pickle") -> None:
    with pytest.raises(ValueError, match=match) as caught:
        read(content)
    assert "some.pickle" in str(caught.value) and "\n" not in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("old", [False, True])
def test_what_pickle_writes_is_read(read, protocol, old):
    written = {**formats_kitti.films(), "turned": [np.asfortranarray(np.arange(6.0, dtype=np.float32).reshape(2, 3))]}
    content = pickle.dumps(written, protocol)
    if old and protocol == 4:
        return  # the length of a frame would have to be changed
    content = content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray") if old else content
    found = read(content)
    assert found.keys() == written.keys()
    for name, arrays in written.items():
        assert all(np.array_equal(a, b) and a.dtype == b.dtype for a, b in zip(arrays, found[name], strict=True))


class Evil:
    """What pickle would call."""

    def __init__(self, called, *arguments):
        self.called, self.arguments = called, arguments

    def __reduce__(self):
        return self.called, self.arguments


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "called", [os.system, eval, exec, __import__, getattr, print, np.load, np.frombuffer, Path, bytearray, pickle.loads]
)
def test_nothing_else_is_named_or_run(read, tmp_path, protocol, called):
    canary = tmp_path / "canary"
    for command in (f"touch {canary}", f"open({str(canary)!r}, 'w')"):
        harmful = {"pedestrians": [Evil(called, command)], "pedestrians_latents": []}
        refused(read, pickle.dumps(harmful, protocol))
        refused(read, pickle.dumps(Evil(called, command), protocol))
    assert not canary.exists()


def name(module: str, thing: str) -> bytes:
    return b"c" + f"{module}\n{thing}\n".encode()


@pytest.mark.parametrize(
    ("module", "thing"),
    [
        ("numpy", "ndarray.tofile"), ("numpy", "save"), ("numpy.core.multiarray", "scalar"), ("_codecs", "lookup"),
        ("numpy", "dtype.__init__"), ("builtins", "eval"), ("numpy ", "ndarray"),
        ("numpy._core.numeric", "_frombuffer"),
    ],
)  # fmt: skip
def test_other_names_are_refused_however_they_are_asked_for(read, module, thing):
    text = lambda word: b"\x8c" + bytes([len(word)]) + word.encode()  # noqa: E731
    for asked in (
        name(module, thing),
        text(module) + text(thing) + b"\x93",
        b"(i" + f"{module}\n{thing}\n".encode(),
        b"(" + name(module, thing) + b"o",
        name(module, thing) + b")\x81",
        name(module, thing) + b")}\x92",
        b"\x82\x01", b"Pabc\n", b"K\x01Q",
    ):  # fmt: skip
        refused(read, P + asked + b".", "which no pickle of arrays needs|do not fit together")


RECONSTRUCT, NDARRAY = name("numpy.core.multiarray", "_reconstruct"), name("numpy", "ndarray")
DTYPE = name("numpy", "dtype")


def state(order: bytes = b"<", parts: bytes = b"NNN", flags: bytes = b"\x00") -> bytes:
    """What numpy says of a dtype."""
    return b"(K\x03\x8c\x01" + order + parts + b"J\xff\xff\xff\xff" * 2 + b"K" + flags + b"t"


def kind(code: bytes, details: bytes = state()) -> bytes:
    return DTYPE + b"\x8c" + bytes([len(code)]) + code + b"\x89\x88\x87R" + details + b"b"


def array(shape: bytes, dtype: bytes, raw: bytes) -> bytes:
    """A pickle of {"a": [array]}."""
    made = RECONSTRUCT + NDARRAY + b"K\x00\x85C\x01b\x87R(K\x01" + shape + dtype + b"\x89" + raw + b"tb"
    return P + b"}\x8c\x01a]" + made + b"as."


RAW = b"C\x08" + struct.pack("<2f", 1, 2)


def test_arrays_put_together_by_hand_are_read(read):
    assert read(array(b"K\x02\x85", kind(b"f4"), RAW))["a"][0].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (array(b"K\x03\x85", kind(b"f4"), RAW), "do not fit"),
        (array(b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86", kind(b"f4"), RAW), "do not fit"),
        (array(b"J\xff\xff\xff\xffJ\xfe\xff\xff\xff\x86", kind(b"f4"), RAW), "no shape"),
        (array(b"(" + b"K\x01" * 40 + b"t", kind(b"f4"), RAW), "no shape"),
        (array(b"\x88\x85", kind(b"b1"), b"C\x01\x01"), "no shape"),
        (array(b"K\x01\x85", kind(b"O8"), b"C\x08" + bytes(8)), "only bool and float32"),
        (array(b"K\x01\x85", kind(b"O8"), b"](K\x01Ne"), "only bool and float32"),
        (array(b"K\x01\x85", kind(b"f8"), b"C\x08" + bytes(8)), "only bool and float32"),
        (array(b"K\x02\x85", kind(b"f4", state(order=b">")), RAW), "described"),
        (array(b"K\x02\x85", kind(b"f4", state(flags=b"\x3f")), RAW), "objects"),
        (array(b"K\x02\x85", kind(b"f4", state(parts=b"]NN")), RAW), "records"),
        (array(b"K\x02\x85", kind(b"f4", b")"), RAW), "described"),
        (array(b"K\x01\x85", kind(b"b1"), b"C\x01\x02"), "other bytes than 0 and 1"),
        (array(b"K\x02\x85", b"K\x01", RAW), "plain numbers"),
        (array(b"K\x02\x85", kind(b"f4"), b"]"), "plain numbers"),
        (P + b"}\x8c\x01a]" + RECONSTRUCT + NDARRAY + b"K\x00\x85C\x01b\x87Ras.", "else than arrays"),
        (P + b"}\x8c\x01a]K\x01as.", "else than arrays"),
        (P + b"}\x8c\x01aK\x01s.", "lists by their names"),
        (P + b"}K\x01]s.", "lists by their names"),
        (P + b"].", "lists by their names"),
        (P + b"]}\x8c\x01ab.", "no array"),
        (P + NDARRAY + b"N}\x8c\x01a]s\x86b.", "no array"),
        (P + RECONSTRUCT + b"}\x8c\x0c__defaults__]sN\x86b.", "no array"),
        (P + RECONSTRUCT + b"(" + DTYPE + b"K\x00tR.", "calls something"),
        (P + name("_codecs", "encode") + b"\x8c\x01a\x8c\x03zip\x86R.", "else than bytes"),
        (b"", "bytes"),
        (b".", "do not fit|pickle"), (P + b"}", "some.pickle"), (b"\xff\xff", "opcode"),
        (P + b"h\x05.", "do not fit"), (P + b"0.", "POP"), (P + b"u.", "some.pickle"),
        (P + b"K\x01e.", "some.pickle"),
        (b"BZh91AY", "no pickle"), (b"\x93NUMPY", "do not fit"), (P + b"\x87.", "do not fit"),
        (P + b"}}.", "no pickle"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(read, content, match):
    refused(read, content, match)


def lies(width: str, length: int) -> bytes:
    return struct.pack(width, length)


@pytest.mark.parametrize(
    "content",
    [
        P + b"\x8e" + lies("<Q", 1 << 40) + b"abc",
        P + b"\x8d" + lies("<Q", 1 << 62) + b"abc",
        P + b"B" + lies("<I", 0xFFFFFFF0) + b"abc",
        P + b"\x95" + lies("<Q", 1 << 60) + b"}.",
        P + b"}r" + lies("<I", 0xFFFFFFF0) + b".",
        P + b"K\x01" + b"\x85" * 20_001 + b".",
        P + b"}" + b"]" * 20_001 + b".",
        # Each tuple holds the one before it twice: what walks through or hashes them never comes to an end.
        P + b"}N\x94" + b"".join(b"h" + bytes([k]) + b"h" + bytes([k]) + b"\x86\x94" for k in range(200)) + b"]s.",
        # The same bytes are made of one text again and again.
        P + name("_codecs", "encode") + b"\x94X" + lies("<I", 1 << 20) + b"a" * (1 << 20) + b"\x94]\x94("
        + b"h\x00h\x01\x8c\x06latin1\x86R" * 4000 + b"e.",
    ],
    ids=["bytes", "text", "bytes4", "frame", "memo", "tuples", "lists", "doubling", "encode"],
)  # fmt: skip
def test_bombs_take_neither_memory_nor_time(read, content, monkeypatch):
    monkeypatch.setattr(unpickling, "STEPS", 20_000)
    tracemalloc.start()
    begun = time.process_time()
    try:
        if b"\x95" in content[2:3] or b"}r" in content[:5]:
            assert read(content) == {}  # what they announce is not needed for anything
        else:
            refused(read, content)
        assert tracemalloc.get_traced_memory()[1] < 100 << 20
    finally:
        tracemalloc.stop()
    assert time.process_time() - begun < 10


def test_what_a_message_tells_of_is_never_looked_through(read):
    for hostile in (
        P + DTYPE + b")q\x00" + b"h\x00\x86q\x00" * 27 + b"\x85R.",  # a tuple of 2^27, by sharing
        P + DTYPE + b")" + b"\x85" * 500_000 + b"\x85R.",
        P + b")" + b"\x85" * 500_000 + b"N\x93.",
        P + DTYPE + b"]" + b"\x85R.",
        P + b"S" + b"a" * 100_000 + b"\n.",
    ):
        begun = time.process_time()
        refused(read, hostile)
        assert time.process_time() - begun < 1
    refused(read, P + DTYPE + b"]\x85R.", "an array of a list")
    refused(read, P + b"N\x8c\x01a\x93.", r"it names a NoneType\.a")


def test_marks_are_found_at_once_and_are_few(read):
    begun = time.process_time()
    refused(read, P + b"N" * 100_000 + b"(t" * 20_000 + b".", "do not fit")
    assert time.process_time() - begun < 2
    refused(read, P + b"(" * 10_000 + b"t" * 10_000 + b".", "nested deeper")
    refused(read, P + b"](\x85t.", "do not fit")  # what lies under a mark is out of reach


def test_the_same_bytes_are_not_looked_at_again_and_again(read):
    raw = b"B" + lies("<I", 1 << 20) + bytes(1 << 20) + b"q\x01"
    shape = b"J" + lies("<I", 1 << 20) + b"\x85"
    built = b"(K\x01" + shape + b"h\x00\x89h\x01tb"
    begun = time.process_time()
    made = RECONSTRUCT + NDARRAY + b"K\x00\x85C\x01b\x87R"
    refused(read, P + kind(b"b1", state(order=b"|")) + b"q\x00" + raw + made + built * 20_000 + b".", "more numbers")
    assert time.process_time() - begun < 1


def test_an_array_that_comes_again_and_again_is_no_more_than_the_file(read):
    big = np.zeros((1 << 18,), bool)
    refused(read, pickle.dumps({"a": [big] * 1000}, 4), "more numbers than it has bytes")
    refused(read, pickle.dumps({"a": [big, big]}, 4), "more numbers")
    assert len(read(pickle.dumps({"a": [big, big.copy()]}, 4))["a"]) == 2


def test_files_that_are_too_long_are_not_even_begun(read):
    with pytest.raises(ValueError, match="where a pickle of arrays has 1 to 10"):
        read(pickle.dumps({}, 4) * 3, most=10)


def test_no_damage_does_more_than_raise(read):
    content = pickle.dumps(formats_kitti.films((2,)), 2)[:200] + pickle.dumps(formats_kitti.films((2,)), 4)[-400:]
    whole = pickle.dumps({"a": [np.zeros((1, 3), np.float32)], "b": [np.ones((1, 2), bool)]}, 4)
    draw = np.random.default_rng(0)
    for base in (whole, content):
        for _ in range(300):
            broken = bytearray(base)
            for place in draw.integers(0, len(base), draw.integers(1, 4)):
                broken[place] = draw.integers(256)
            with contextlib.suppress(ValueError):
                found = read(bytes(broken[: draw.integers(1, len(base) + 1)]))
                assert all(isinstance(array, np.ndarray) for arrays in found.values() for array in arrays)


def test_the_steps_of_real_files_are_few():
    steps = sum(1 for _ in pickletools.genops(pickle.dumps(formats_kitti.films((2,) * 50), 3)))
    assert steps / 50 * 2120 < unpickling.STEPS / 10
