"""Functions on pixels that torch.compile can make for this machine, where one asks for it."""

from __future__ import annotations

import functools
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

FORMS = 64
"""Forms of a function that torch.compile may make, such as for one picture, for several, for few and many pixels."""
_asked: ContextVar[bool] = ContextVar("compiled", default=False)
Pixels = Callable[..., Tensor]


@contextmanager
def compiled() -> Iterator[None]:
    """Within it, changes of pixels are computed by functions that torch.compile makes; draws go on as they were.

    The first call of a kind takes some ten seconds; more pictures, or pictures of another size, take it rarely again.
    What comes out differs by rounding only. A ValueError where there is no C++ compiler.
    """
    compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
    if shutil.which(compiler) is None:
        raise ValueError(f"torch.compile needs the C++ compiler {compiler}, which is not here; install it or set CXX")
    import torch._dynamo

    token = _asked.set(True)
    try:
        with torch._dynamo.config.patch(recompile_limit=FORMS):
            yield
    finally:
        _asked.reset(token)


def fused(function: Pixels) -> Pixels:
    """A function of tensors with pictures in their rows, or what torch.compile makes of it, within `compiled`."""
    return _fused(function) if _asked.get() else function


@functools.cache
def _fused(function: Pixels) -> Pixels:
    made: Pixels = torch.compile(function, dynamic=True)
    return made
