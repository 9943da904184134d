"""Tables that are written piece by piece, so that none of them has to fit into memory: npz, csv, parquet."""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

Columns = Mapping[str, NDArray[Any]]
"""Columns [n] or [n, d] of numbers, by name."""


class Table(ABC):
    """A file of rows: names and columns. It is there when it is whole; what an error leaves is nothing."""

    def __init__(self, out: Path) -> None:
        self.out = out
        out.parent.mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".partial-{out.name}-"))
        self.partial = self.folder / out.name

    @abstractmethod
    def add(self, names: Sequence[str], columns: Columns) -> None:
        """More rows. Every piece has the same columns."""

    @abstractmethod
    def finish(self) -> None:
        """No more rows come: have the whole file at `partial`."""

    def __enter__(self) -> Table:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self.finish()
                os.replace(self.partial, self.out)
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)


class Npz(Table):
    """numpy's archive: `name`, and an array for each column."""

    def __init__(self, out: Path) -> None:
        super().__init__(out)
        self.names: list[str] = []
        self.files: dict[str, tuple[IO[bytes], np.dtype[Any], tuple[int, ...]]] = {}

    def add(self, names: Sequence[str], columns: Columns) -> None:
        self.names += names
        for name, column in columns.items():
            if name not in self.files:
                self.files[name] = ((self.folder / f"{name}.raw").open("w+b"), column.dtype, column.shape[1:])
            self.files[name][0].write(np.ascontiguousarray(column).data)

    def finish(self) -> None:
        with zipfile.ZipFile(self.partial, "w", allowZip64=True) as archive:
            with archive.open("name.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.array(self.names), allow_pickle=False)
            for name, (raw, dtype, shape) in self.files.items():
                whole: dict[str, Any] = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False}
                whole["shape"] = (len(self.names), *shape)
                with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array_header_1_0(file, whole)
                    raw.seek(0)
                    shutil.copyfileobj(raw, file, 1 << 20)

    def __exit__(self, *error: Any) -> None:
        try:
            super().__exit__(*error)
        finally:
            for raw, _, _ in self.files.values():
                raw.close()


class Csv(Table):
    """A line for each row; a column [n, d] becomes d of them, `feature_0`, `feature_1` ..."""

    def __init__(self, out: Path) -> None:
        super().__init__(out)
        self.file = self.partial.open("w", encoding="utf-8", newline="")
        self.rows = 0

    def add(self, names: Sequence[str], columns: Columns) -> None:
        import pandas as pd

        table = pd.DataFrame({"name": list(names), **flat(columns)})
        table.to_csv(self.file, index=False, header=not self.rows)
        self.rows += len(names)

    def finish(self) -> None:
        self.file.close()

    def __exit__(self, *error: Any) -> None:
        try:
            super().__exit__(*error)
        finally:
            self.file.close()


class Parquet(Table):
    """A row group for each piece, with the columns that Csv has."""

    def __init__(self, out: Path) -> None:
        try:
            import pyarrow.parquet  # noqa: F401
        except ModuleNotFoundError:
            raise ValueError("parquet needs pyarrow: pip install 'kontrast[parquet]', or write .csv or .npz") from None
        super().__init__(out)
        self.writer: Any = None

    def add(self, names: Sequence[str], columns: Columns) -> None:
        import pyarrow
        from pyarrow import parquet

        table = pyarrow.table({"name": pyarrow.array(list(names), pyarrow.string()), **flat(columns)})
        if self.writer is None:
            self.writer = parquet.ParquetWriter(str(self.partial), table.schema)
        self.writer.write_table(table, row_group_size=len(names))

    def finish(self) -> None:
        self.writer.close()

    def __exit__(self, *error: Any) -> None:
        try:
            super().__exit__(*error)
        finally:
            if self.writer is not None:
                self.writer.close()


KINDS: dict[str, type[Table]] = {".npz": Npz, ".csv": Csv, ".parquet": Parquet}


def flat(columns: Columns) -> dict[str, NDArray[Any]]:
    """Columns of one number each."""
    found: dict[str, NDArray[Any]] = {}
    for name, column in columns.items():
        if column.ndim == 1:
            found[name] = column
        else:
            found |= {f"{name}_{k}": np.ascontiguousarray(column[:, k]) for k in range(column.shape[1])}
    return found
