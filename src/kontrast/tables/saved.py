"""Tables as files: CSV and parquet, the same bytes each time."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from kontrast.files import write_whole

if TYPE_CHECKING:
    from pandas import DataFrame

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""
KINDS = (".csv", ".parquet")


def save_table(table: DataFrame, out: Path | str) -> Path:
    """Write a table as .csv or .parquet, whole or not at all: what `read_table` reads is equal, and saves equal bytes.

    Numbers are written with as many digits as tell them apart. ValueError for another kind of file, and for text that a
    spreadsheet would take for a formula.
    """
    out = Path(out)
    _kind(out)
    _check_text(table)
    if out.suffix.lower() == ".csv":
        write_whole(out, table.to_csv(index=False, lineterminator="\n").encode())
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
            with warnings.catch_warnings(action="ignore"):  # newer versions of pandas do not need to be told
                return pd.read_csv(path, float_precision="round_trip", na_filter=False)
        return pd.read_parquet(path)
    except ImportError:
        raise ValueError("parquet needs pyarrow: pip install 'kontrast[parquet]', or use .csv") from None
    except (ValueError, OSError) as error:
        raise ValueError(f"{path} is no table: {str(error).splitlines()[0]}") from None


def _kind(path: Path) -> None:
    if path.suffix.lower() not in KINDS:
        raise ValueError(f"a table is a .csv or .parquet file, not {path.name}; write out=table.csv")


def _check_text(table: DataFrame) -> None:
    texts = {"heading": [str(name) for name in table.columns]}
    texts |= {str(name): list(table[name].unique()) for name in table.columns if table[name].dtype.kind not in "biuf"}
    for where, values in texts.items():
        for value in values:
            if str(value).startswith(FORMULA):
                raise ValueError(
                    f"{where} {value!r} would be a formula in a spreadsheet; give it another first character"
                )
