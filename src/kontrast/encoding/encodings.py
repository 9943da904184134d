"""One pass over rows for all layers that are asked for, less those that were kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from kontrast.encoding.frozen import Frozen
from kontrast.encoding.rows import CHUNK, Rows, digests, origin
from kontrast.encoding.store import Store
from kontrast.passes import Passes
from kontrast.probes import Encoding
from kontrast.views import Features, Things

if TYPE_CHECKING:
    from numpy.typing import NDArray

Arrays = dict[str, "NDArray[Any]"]
PIXELS = 500 * 64 * 64
"""Numbers of one channel that pass through the network at once, which bounds its memory."""


@dataclass
class Table:
    """Columns of n rows that fill from above."""

    count: int
    columns: Arrays = field(default_factory=dict)

    def put(self, start: int, **columns: Tensor | NDArray[Any] | None) -> None:
        """Write rows from `start` on; None is no column."""
        for name, rows in columns.items():
            if rows is not None:
                array = rows.cpu().numpy() if isinstance(rows, Tensor) else rows
                if name not in self.columns:
                    self.columns[name] = np.empty((self.count, *array.shape[1:]), array.dtype)
                self.columns[name][start : start + len(array)] = array

    def first(self, count: int) -> Arrays:
        """The rows that were written."""
        return {name: column[:count] for name, column in self.columns.items()}


class Encodings:
    """What a frozen network makes of rows, each request one pass over the data for all of its layers.

    With a store, in which `role` says what the network is to the run, layers that were kept for the same rows are taken
    from there: the data are read and their digests compared, and only what is missing is encoded, and kept. "raw" is
    never kept.
    """

    def __init__(self, frozen: Frozen, rows: Rows, store: Store | None = None, role: str = "trained") -> None:
        self.frozen, self.rows, self.store, self.role = frozen, rows, store, role

    def __call__(self, request: Encoding, layers: Sequence[str]) -> dict[str, Features]:
        """The features of a request by layer. ValueError where the rows or the layers cannot be had."""
        request = self.rows.plain(request)
        self._check(request)
        kept = {layer: arrays for layer in layers if (arrays := self._read(request, layer)) is not None}
        truth, made = self._pass(request, [layer for layer in layers if layer not in kept])
        stale = [layer for layer in kept if not _same(kept[layer], truth)]
        if stale:
            made |= self._pass(request, stale)[1]
        self._write(request, made, truth)
        found = {**{layer: kept[layer] for layer in kept if layer not in stale}, **made}
        return {layer: self._features(request, found[layer], truth) for layer in layers}

    def _check(self, request: Encoding) -> None:
        shape, given = self.frozen.experiment.data.shape, (request.data or self.rows.data).shape
        if given != shape:
            raise ValueError(f"the encoder was trained on shape {shape}, not {given}")

    def _pass(self, request: Encoding, layers: Sequence[str]) -> tuple[Arrays, dict[str, Arrays]]:
        """What is known of the rows themselves, and for each layer what the network makes of them."""
        passes = self.frozen.passes(layers, request.samples, request.seed) if layers else None
        count, start = self.rows.count(request), 0
        truth, made = Table(count), {layer: Table(count) for layer in layers}
        for number, things in enumerate(self.rows.chunks(request)):
            digest = digests(things.observations)
            truth.put(start, index=things.index, labels=things.labels, latents=things.latents, digest=digest)
            if passes is not None:
                self._encode(request, passes, things, number, start, made)
            start += len(digest)
        if not start:
            raise ValueError(f"the {request.split} split of {type(request.data).__name__} has no rows to encode")
        return truth.first(start), {layer: table.first(start) for layer, table in made.items()}

    def _encode(
        self, request: Encoding, passes: Passes, things: Things, number: int, start: int, made: dict[str, Table]
    ) -> None:
        shown = self.rows.shown(request, things, number)
        size = max(1, PIXELS // (shown[0, 0].numel() if shown.ndim == 4 else 1))
        for part, some in enumerate(torch.split(shown, size)):
            index = things.index[part * size : part * size + len(some)]
            found = passes.every(Things(some, index), number * CHUNK + part)
            # Bytes that became shares of 255 on the way are raw as numbers to 255 again.
            scaled = things.observations.dtype == torch.uint8 != some.dtype
            for layer, (values, concentration, spread) in found.items():
                values = values * 255 if scaled and layer == "raw" else values
                made[layer].put(start + part * size, values=values, concentration=concentration, spread=spread)

    def _features(self, request: Encoding, arrays: Arrays, truth: Arrays) -> Features:
        data = request.data or self.rows.data
        return Features(
            arrays["values"],
            truth.get("labels"),
            truth.get("latents"),
            data.classes,
            data.factors,
            arrays.get("concentration"),
            truth["index"],
            arrays.get("spread"),
            truth["digest"],
            origin(data, request.split),
        )

    def _key(self, request: Encoding, layer: str) -> dict[str, Any]:
        return {
            "layer": layer,
            "split": request.split,
            "data": repr(request.data),
            "rows": self.rows.count(request),
            "change": repr(request.change),
            "view": None if request.view is None else [request.view, repr(self.rows.pairing)],
            "samples": request.samples,
            "seed": request.seed,
        }

    def _read(self, request: Encoding, layer: str) -> Arrays | None:
        if self.store is None or layer == "raw":
            return None
        return self.store.read(self.role, self.frozen.mark, self._key(request, layer))

    def _write(self, request: Encoding, made: dict[str, Arrays], truth: Arrays) -> None:
        for layer, arrays in made.items():
            if self.store is not None and layer != "raw":
                rows = {name: truth[name] for name in ("index", "digest")}
                self.store.write(self.role, self.frozen.mark, self._key(request, layer), {**arrays, **rows})


def _same(kept: Arrays, truth: Arrays) -> bool:
    """Whether what was kept is of these rows, in their order."""
    return all(name in kept and np.array_equal(kept[name], truth[name]) for name in ("index", "digest"))
