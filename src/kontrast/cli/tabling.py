"""`kontrast data table`: the latents of a dataset as a file."""

from __future__ import annotations

from typing import get_args

import chz

from kontrast import parts
from kontrast.cli.work import built, whole_number
from kontrast.datasets import Dataset, Generative
from kontrast.tables import divided_table, latent_table, save_table, write_pictures
from kontrast.text import plain
from kontrast.views import Split

TABLE = "write kontrast data table NAME [field=value ...] out=table.csv [rows=10000] [test=.1 seed=0] [pictures=FOLDER]"


def table_data(name: str, given: dict[str, str]) -> None:
    """Write the latents of a dataset as .csv or .parquet, and its pictures as PNG files if a folder is named."""
    if not (out := given.pop("out", "")):
        raise ValueError(TABLE)
    cls = parts.known(Dataset)[parts.choose(name, parts.known(Dataset), "data set")]
    pictures, rows = given.pop("pictures", ""), whole_number("rows", given.pop("rows", "10000"))
    own = chz.chz_fields(cls)
    test = "" if "test" in own else given.pop("test", "")
    seed = whole_number("seed", given.pop("seed", "0")) if test and "seed" not in own else 0
    dataset: Dataset = built(cls, given)
    table = latent_table(dataset, rows=rows)
    if test:
        if "split" in table:
            raise ValueError(f"{name} has splits already; leave out test=")
        table["split"] = ""
        for split, part in divided_table(table.drop(columns="split"), _share(test), seed).items():
            table.loc[part.index, "split"] = split
    if pictures:
        if "img_path" in table:
            raise ValueError(f"{name} is picture files, which the table names; leave out pictures=")
        table = write_pictures(dataset, table, pictures, rows)
    save_table(table, out)
    told = f"{len(table):,} rows, {', '.join(plain(str(column), 40) for column in table.columns)}"
    counts = [f"{(table['split'] == split).sum():,} for {split}" for split in get_args(Split) if "split" in table]
    print(f"{plain(out, 400)}: {told}" + (f" ({', '.join(counts)})" if counts else ""))
    if isinstance(dataset, Generative) and "split" in table and not test:
        print("rows are drawn: as many for each split as rows= says")


def _share(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"test={text} is no share of the rows; write test=.1") from None
