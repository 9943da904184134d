"""Compiling what a run spends its time on, for the machine it is on."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import nn

from kontrast import augmentations, tiles
from kontrast.model import Model, Student
from kontrast.training.batch_norm import SynchronizedNorm


@contextmanager
def compiling(asked: bool) -> Iterator[None]:
    """Within it, augmentations and sums over pairs are compiled, if it is asked for.

    ValueError where there is no compiler.
    """
    with ExitStack() as stack:
        if asked:
            stack.enter_context(tiles.compiled())
            stack.enter_context(augmentations.compiled())
        yield


def compile_networks(model: Model) -> None:
    """Let torch.compile take over encoders, heads and the predictor when they are first called."""
    parts = [
        part for student in model.modules() if isinstance(student, Student) for part in (student.encoder, student.head)
    ]
    if model.predictor is not None:
        parts.append(model.predictor)
    with warnings.catch_warnings():
        # What torch says of its own modules while they are imported.
        warnings.simplefilter("ignore", DeprecationWarning)
        for part in parts:
            _keep_exchanges(part)
            part.compile()


def _keep_exchanges(part: nn.Module) -> None:
    """Leave out of what is compiled what the processes exchange."""
    for module in part.modules():
        if isinstance(module, SynchronizedNorm):
            module.exchanged = torch.compiler.disable(module.exchanged)  # type: ignore[method-assign, no-untyped-call]
