"""Tables as files: CSV and parquet, the same bytes each time."""

from __future__ import annotations

import csv
import io
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from kontrast.files import write_whole

if TYPE_CHECKING:
    from pandas import DataFrame

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""
KINDS = (".csv", ".parquet")
NUMBERS = ("float64", "int64", "bool")
"""The kinds of numbers that a CSV file, which does not say which they are, gives back as they were."""
FIELD = re.compile(r'("(?:[^"]|"")*"|[^",\n]*)(,|\n|\Z)')
"""A cell, and what ends it."""


def save_table(table: DataFrame, out: Path | str) -> Path:
    """Write a table as .csv or .parquet, whole or not at all: what `read_table` reads is equal, and saves equal bytes.

    Numbers are written with as many digits as tell them apart. In a CSV file, whose cells do not say of what kind they
    are, text stands in quotation marks, and numbers are float64, int64 or bool and none is nan: ValueError for others,
    which parquet keeps, for another kind of file, and for text that a spreadsheet would take for a formula. The index
    is not written.
    """
    out = Path(out)
    _kind(out)
    _check_text(table)
    if out.suffix.lower() == ".csv":
        _check_cells(table)
        # The heading is plain, as others write it.
        heading = io.StringIO()
        csv.writer(heading, lineterminator="\n").writerow(table.columns)
        cells = table.to_csv(index=False, header=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
        write_whole(out, (heading.getvalue() + cells).encode())
        return out
    buffer = io.BytesIO()
    try:
        table.to_parquet(buffer, index=False)
    except ImportError:
        raise ValueError("parquet needs pyarrow: pip install 'kontrast[parquet]', or write .csv") from None
    write_whole(out, buffer.getvalue())
    return out


def read_table(path: Path | str) -> DataFrame:
    """A table that `save_table` wrote. FileNotFoundError or ValueError if it is none."""
    import pandas as pd

    path = Path(path)
    _kind(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no table {path}")
    try:
        if path.suffix.lower() == ".csv":
            text = dict.fromkeys(_quoted(path), str)
            with warnings.catch_warnings(action="ignore"):  # newer versions of pandas do not need to be told
                return pd.read_csv(path, float_precision="round_trip", na_filter=False, dtype=text)
        return pd.read_parquet(path)
    except ImportError:
        raise ValueError("parquet needs pyarrow: pip install 'kontrast[parquet]', or use .csv") from None
    except (ValueError, OSError, csv.Error) as error:
        raise ValueError(f"{path} is no table: {str(error).splitlines()[0]}") from None


def _kind(path: Path) -> None:
    if path.suffix.lower() not in KINDS:
        raise ValueError(f"a table is a .csv or .parquet file, not {path.name}; write out=table.csv")


def _quoted(path: Path) -> list[str]:
    """The columns whose first cell stands in quotation marks, which are those of text."""
    rows: list[list[str]] = [[]]
    with path.open(encoding="utf-8", newline="") as opened:
        begin = "".join(line for _, line in zip(range(2), opened, strict=False))
        while begin.count('"') % 2 and (line := opened.readline()):
            begin += line
    for found in FIELD.finditer(begin):
        rows[-1].append(found[1])
        if found[2] != ",":
            rows.append([])
    names = next(csv.reader([",".join(rows[0])]), [])
    return [name for name, cell in zip(names, rows[1] if len(rows) > 1 else [], strict=False) if cell[:1] == '"']


def _check_cells(table: DataFrame) -> None:
    """ValueError for what would not come back from a CSV file as it was."""
    names = [*table.columns]
    if not names or not len(table):
        raise ValueError("a table without rows or columns has no kinds of numbers in a .csv file; write .parquet")
    for name in names:
        if (
            not isinstance(name, str)
            or not name.isprintable()
            or name != name.strip()
            or names.count(name) > 1
            or not name
        ):
            raise ValueError(
                f"a column is named {name!r:.40}; give each a name of its own, on one line, without spaces about it"
            )
        column, kind = table[name], table[name].dtype
        if kind.kind == "O":
            if not all(isinstance(value, str) and "\0" not in value for value in column):
                raise ValueError(
                    f"column {name} has cells that are neither text nor numbers; give it one kind of cells"
                )
        elif kind.name not in NUMBERS:
            kept = ", ".join(NUMBERS)
            raise ValueError(f"column {name} is {kind}, and a .csv file keeps {kept} and text alone; write .parquet")
        elif column.isna().any():
            raise ValueError(f"column {name} has values that are nan, which a .csv file does not keep; write .parquet")


def _check_text(table: DataFrame) -> None:
    texts = {"heading": [str(name) for name in table.columns]}
    texts |= {str(name): list(table[name].unique()) for name in table.columns if table[name].dtype.kind not in "biuf"}
    for where, values in texts.items():
        for value in values:
            if str(value).startswith(FORMULA):
                raise ValueError(
                    f"{where} {value!r} would be a formula in a spreadsheet; give it another first character"
                )
