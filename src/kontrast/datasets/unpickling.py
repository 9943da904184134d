"""Pickles of arrays, read without running anything that they ask for.

A pickle is a program that names functions and calls them. Here it is followed step by step by a machine that knows the
numpy names of an array alone (`_reconstruct`, `ndarray` and `dtype` of numpy, old and new, and protocol 2's
`_codecs.encode`), and stands in for each itself: nothing is imported, and nothing that the file names is called.
"""

from __future__ import annotations

import mmap
import pickletools
import warnings
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from math import prod
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

STEPS = 2_000_000
"""Steps that a pickle may have: some 35,000 pairs of arrays."""
MOST = 64
"""Marks that may wait at once, and values in a tuple: pickles of arrays have about 5 and 8."""
CORES = ("numpy.core.multiarray", "numpy._core.multiarray")


class _Name(Enum):
    """What a pickle may name."""

    RECONSTRUCT = "_reconstruct"
    ARRAY = "ndarray"
    KIND = "dtype"
    ENCODE = "encode"


NAMES: Mapping[tuple[str, str], _Name] = {
    **{(core, "_reconstruct"): _Name.RECONSTRUCT for core in CORES},
    ("numpy", "ndarray"): _Name.ARRAY,
    ("numpy", "dtype"): _Name.KIND,
    ("_codecs", "encode"): _Name.ENCODE,
}
KINDS: Mapping[str, np.dtype[Any]] = {"b1": np.dtype(np.bool_), "f4": np.dtype("<f4")}
"""The only kinds of numbers that an array may have."""
PLAIN = {
    *("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8"),
    *("BININT", "BININT1", "BININT2"),
}
"""Steps that put down what they carry."""
CONSTANTS: Mapping[str, object] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}


def _said(value: object) -> str:
    """A value in a message: a word if it is one, else what it is, since it may be built to be endless."""
    word = value[:40] if isinstance(value, str) else f"a {type(value).__name__}"
    return word if word.isprintable() else repr(word)


class _Kind:
    """The kind of an array's numbers."""

    def __init__(self, code: object) -> None:
        if not isinstance(code, str) or code not in KINDS:
            raise ValueError(f"it holds an array of {_said(code)}, where only bool and float32 are allowed")
        self.dtype = KINDS[code]

    def build(self, state: object) -> None:
        """Its details: the order of the bytes, and nothing else."""
        if not isinstance(state, tuple) or len(state) != 8 or state[0] != 3 or state[1] not in ("|", "<", "="):
            raise ValueError("it holds an array whose kind of numbers is not described as numpy does")
        if any(part is not None for part in state[2:5]) or state[5:] != (-1, -1, 0):
            raise ValueError("it holds an array of records or objects, where only plain numbers are allowed")


class _Array:
    """An array, which has its values once it is built."""

    values: NDArray[Any] | None = None

    def build(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) != 5 or state[0] != 1:
            raise ValueError("it holds an array that is not described as numpy does")
        _, shape, kind, fortran, raw = state
        if not isinstance(shape, tuple) or len(shape) > 8 or not all(type(n) is int and n >= 0 for n in shape):
            raise ValueError("it holds an array whose shape is no shape")
        if not isinstance(kind, _Kind) or not isinstance(fortran, bool) or not isinstance(raw, bytes):
            raise ValueError("it holds an array of something else than plain numbers")
        if prod(shape) * kind.dtype.itemsize != len(raw):
            raise ValueError(f"it holds an array of shape {shape} in {len(raw):,} bytes, which do not fit")
        if kind.dtype == np.bool_ and raw.strip(b"\0\1"):
            raise ValueError("it holds an array of bool with other bytes than 0 and 1")
        self.values = np.frombuffer(raw, kind.dtype).reshape(shape, order="F" if fortran else "C")


class _Machine:
    """What a pickle has put down so far, and what it remembers."""

    def __init__(self, size: int) -> None:
        self.stack: list[Any] = []
        self.under: list[list[Any]] = []  # what lay there before each mark that still waits
        self.memo: dict[int, Any] = {}
        self.left = self.numbers = size  # bytes that may still be made of text, and looked at as numbers

    def run(self, steps: Iterable[tuple[pickletools.OpcodeInfo, Any, int | None]]) -> object:
        for number, (code, argument, _) in enumerate(steps):
            if number >= STEPS:
                raise ValueError(f"it has more than the {STEPS:,} steps that are allowed")
            if code.name == "STOP":
                break
            self._step(code.name, argument)
        if not self.under and len(self.stack) == 1:
            return self.stack[0]
        raise IndexError

    def _step(self, name: str, argument: Any) -> None:
        if name in PLAIN:
            self.stack.append(argument)
        elif name in CONSTANTS:
            self.stack.append(CONSTANTS[name])
        elif name in _STEPS:
            _STEPS[name](self, argument)
        elif name not in ("PROTO", "FRAME"):
            raise ValueError(f"it asks for {name}, which no pickle of arrays needs")

    def _mark(self) -> None:
        if len(self.under) == MOST:
            raise ValueError("it is nested deeper than a pickle of arrays")
        self.under.append(self.stack)
        self.stack = []

    def _marked(self) -> list[Any]:
        """What was put down since the last mark, which is taken away."""
        found, self.stack = self.stack, self.under.pop()
        return found

    def _tuple(self, values: list[Any]) -> None:
        # Short and without tuples of tuples, so that whatever looks at one comes to an end.
        inner = [value for value in values[:MOST] if isinstance(value, tuple)]
        if len(values) > MOST or any(isinstance(part, tuple) for value in inner for part in value):
            raise ValueError("it is nested deeper or has longer tuples than a pickle of arrays")
        self.stack.append(tuple(values))

    def _extend(self, values: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise ValueError("it appends to something that is no list")
        if not all(isinstance(value, _Array) for value in values):
            raise ValueError("it holds something else than arrays in lists by their names")
        self.stack[-1].extend(values)

    def _set(self, values: list[Any]) -> None:
        target = self.stack[-1]
        named = all(isinstance(key, str) for key in values[::2]) and all(type(part) is list for part in values[1::2])
        if type(target) is not dict or len(values) % 2 or not named:
            raise ValueError("it holds something else than lists by their names")
        target.update(zip(values[::2], values[1::2], strict=True))

    def _name(self, module: object, name: object) -> None:
        if not isinstance(module, str) or not isinstance(name, str) or (module, name) not in NAMES:
            raise ValueError(f"it names {_said(module)}.{_said(name)}, which no pickle of arrays needs")
        self.stack.append(NAMES[module, name])

    def _call(self) -> None:
        arguments, called = self.stack.pop(), self.stack.pop()
        if called is _Name.RECONSTRUCT and isinstance(arguments, tuple) and arguments[:1] == (_Name.ARRAY,):
            self.stack.append(_Array())
        elif called is _Name.KIND and isinstance(arguments, tuple) and arguments:
            self.stack.append(_Kind(arguments[0]))
        elif called is _Name.ENCODE and isinstance(arguments, tuple) and len(arguments) == 2:
            self.stack.append(self._encoded(*arguments))
        else:
            raise ValueError("it calls something that no pickle of arrays needs")

    def _encoded(self, text: object, encoding: object) -> bytes:
        if not isinstance(text, str) or encoding != "latin1":
            raise ValueError("it encodes something else than bytes")
        self.left -= len(text)
        if self.left < 0:
            raise ValueError("it makes more bytes than it has")
        return text.encode("latin1")

    def _build(self) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if not isinstance(target, _Array | _Kind):
            raise ValueError("it changes something that is no array")
        target.build(state)
        self.numbers -= 0 if isinstance(target, _Kind) or target.values is None else target.values.nbytes
        if self.numbers < 0:
            raise ValueError("it holds more numbers than it has bytes")

    def _put(self, key: int) -> None:
        self.memo[key] = self.stack[-1]


_STEPS: Mapping[str, Callable[[_Machine, Any], None]] = {
    "MARK": lambda machine, _: machine._mark(),
    "EMPTY_LIST": lambda machine, _: machine.stack.append([]),
    "EMPTY_DICT": lambda machine, _: machine.stack.append({}),
    "TUPLE": lambda machine, _: machine._tuple(machine._marked()),
    "TUPLE1": lambda machine, _: machine._tuple([machine.stack.pop() for _ in range(1)][::-1]),
    "TUPLE2": lambda machine, _: machine._tuple([machine.stack.pop() for _ in range(2)][::-1]),
    "TUPLE3": lambda machine, _: machine._tuple([machine.stack.pop() for _ in range(3)][::-1]),
    "APPEND": lambda machine, _: machine._extend([machine.stack.pop()]),
    "APPENDS": lambda machine, _: machine._extend(machine._marked()),
    "SETITEM": lambda machine, _: machine._set([machine.stack.pop(-2), machine.stack.pop()]),
    "SETITEMS": lambda machine, _: machine._set(machine._marked()),
    "GLOBAL": lambda machine, text: machine._name(*text.split(" ", 1)),
    "STACK_GLOBAL": lambda machine, _: machine._name(machine.stack.pop(-2), machine.stack.pop()),
    "REDUCE": lambda machine, _: machine._call(),
    "BUILD": lambda machine, _: machine._build(),
    "MEMOIZE": lambda machine, _: machine._put(len(machine.memo)),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT"), _Machine._put),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), lambda machine, key: machine.stack.append(machine.memo[key])),
}


def read(path: Path, most: int) -> dict[str, list[NDArray[Any]]]:
    """The lists of arrays of bool or float32 that a pickle of protocol 2 to 4 holds, by their names.

    The arrays are read-only and take no more memory than the file, of `most` bytes. A ValueError that names the file
    and its fault for anything else than such a pickle, and nothing that it asks for has been done.
    """
    if not 0 < (size := path.stat().st_size) <= most:
        raise ValueError(f"{path} has {size:,} bytes, where a pickle of arrays has 1 to {most:,}")
    try:
        with (
            warnings.catch_warnings(action="ignore"),
            path.open("rb") as opened,
            mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        ):
            # Reading beyond the end of a mapped file takes no memory, whatever length a step announces.
            return _lists(_Machine(size).run(pickletools.genops(cast(IO[bytes], mapped))), size)
    except (IndexError, KeyError, TypeError):
        raise ValueError(f"{path} is no pickle of arrays: its steps do not fit together") from None
    except ValueError as error:
        raise ValueError(f"{path} is no pickle of arrays: {str(error).partition(chr(10))[0][:200]}") from None


def _lists(found: object, size: int) -> dict[str, list[NDArray[Any]]]:
    if type(found) is not dict:
        raise ValueError("it holds something else than lists by their names")
    lists: dict[str, list[NDArray[Any]]] = {}
    for name, part in found.items():
        lists[name] = [array.values for array in part if array.values is not None]
        if len(lists[name]) < len(part):
            raise ValueError(f"{_said(name)} holds something else than arrays")
    # An array may come twice without taking more bytes of the file.
    if sum(array.nbytes for arrays in lists.values() for array in arrays) > size:
        raise ValueError("it holds more numbers than it has bytes")
    return lists
