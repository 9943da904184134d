import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kontrast.cli import main
from kontrast.datasets import Digits, DSprites, Mixing, Posteriors, Sprites
from kontrast.datasets.splits import divided
from kontrast.tables import Lookup, divided_table, latent_table, read_table, save_table, write_pictures
from kontrast.tables.saved import FORMULA

COLUMNS = [
    *("square", "ellipse", "heart", "label_orientation", "label_scale", "label_x_position", "label_y_position"),
    *("value_orientation", "value_scale", "value_x_position", "value_y_position"),
]
LABELS = [name for name in COLUMNS if not name.startswith("value")]


@pytest.fixture(scope="module")
def table():
    return latent_table(Sprites(law="grid"))


@pytest.fixture(scope="module")
def lookup(table):
    return Lookup(table)


def test_the_table_of_sprites_has_every_combination_once(table):
    assert list(table.columns) == COLUMNS
    assert table.shape == (737_280, 11)
    number = np.zeros(len(table), np.int64)
    for name, size in zip(LABELS[3:], (40, 6, 32, 32), strict=True):
        assert table[name].min() == 0 and table[name].max() == size - 1
        number = number * size + table[name].to_numpy()
    shape = table[["square", "ellipse", "heart"]].to_numpy()
    assert (shape.sum(1) == 1).all()
    assert len(np.unique(number * 3 + shape.argmax(1))) == 737_280
    assert table["value_orientation"].max() == 2 * np.pi
    assert (table["value_scale"] == np.linspace(0.5, 1, 6)[table["label_scale"]]).all()


def test_a_row_of_the_table_is_a_row_of_the_published_file(table):
    grid = Sprites().grid(torch.tensor([123_456, 600_000]))
    for at, row in enumerate((123_456, 600_000)):
        _, shape, scale, turn, x, y = grid.classes[at].tolist()
        assert table.loc[row, LABELS].tolist() == [*(int(k == shape) for k in range(3)), turn, scale, x, y]
        assert table.loc[row, "value_x_position"] == grid.values[at, 4].item()


def test_squares_about_the_mean_are_those_of_the_source(table):
    """In the units of its examples: one-hot shapes, orientation / (2 pi); over 73,728 rows, N times the variance."""
    test = divided_table(table)["test"]
    assert len(test) == 73_728 and len(table) - len(test) == 663_552
    expected = {
        **dict.fromkeys(("square", "ellipse", "heart"), 16384),
        **{
            "value_scale": 2150.4,
            "value_orientation": 6459.08,
            "value_x_position": 6540.39,
            "value_y_position": 6540.39,
        },
    }
    for name, total in expected.items():
        column = test[name] / (2 * np.pi if name == "value_orientation" else 1)
        assert np.square(column - column.mean()).sum() == pytest.approx(total, rel=0.02), name


def test_the_same_seed_gives_the_same_rows(table):
    one, two, other = (divided_table(table.iloc[::19], 0.1, seed)["test"] for seed in (3, 3, 4))
    assert one.index.equals(two.index) and not one.index.equals(other.index)
    split = divided_table(table, 0.1, 3)
    one = split["test"]
    assert len(split["train"].index.union(one.index)) == 737_280
    # Not each row by itself: the first and the last angle are one picture, and DSprites splits them together.
    assert np.array_equal(one.index, DSprites(test=0.1, seed=3).divided()["test"])
    assert latent_table(Sprites(law="grid", shapes=("heart",)), "test").shape == (24_576, 11)


def test_any_table_is_divided_by_rows():
    table = pd.DataFrame({"a": np.arange(100.0)})
    split = divided_table(table, 0.29, 7)
    assert split["test"]["a"].tolist() == divided(100, 0.29, 7)["test"].tolist()
    assert len(split["test"]) == 29


def test_other_sets_have_the_names_of_their_factors():
    table = latent_table(Posteriors(dim=2), "test", rows=30)
    assert list(table.columns) == ["z0", "z1", "mean0", "mean1", "concentration", "id"]
    [things] = Posteriors(dim=2).open("test").chunks(30, 30)
    assert np.array_equal(table.to_numpy()[:, :5], things.latents.double().numpy())
    both = latent_table(Sprites(size=8), rows=20)
    assert both["split"].tolist() == ["train"] * 20 + ["test"] * 20
    assert both["shape"].dtype == np.int64


def test_data_without_latents_have_no_table():
    with pytest.raises(ValueError, match="Digits does not know its latents"):
        latent_table(Digits())


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_table_that_is_read_again_is_equal_and_saves_equal_bytes(tmp_path, kind, table):
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    few = table.iloc[::9999].assign(split="train", img_path='/some where/"a",\n0.png').reset_index(drop=True)
    out = save_table(few, tmp_path / f"a.{kind}")
    again = read_table(out)
    pd.testing.assert_frame_equal(again, few, check_exact=True)
    assert save_table(again, tmp_path / f"b.{kind}").read_bytes() == out.read_bytes()
    assert (again["value_orientation"].to_numpy() == few["value_orientation"].to_numpy()).all()


NAMES = st.text('aB_0,"', min_size=1, max_size=4)
CELLS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=4)
COLUMN_KINDS = {
    "float64": st.floats(allow_nan=False),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "bool": st.booleans(),
    "str": (st.sampled_from(["1", "02", "", "nan", "True", "1.0"]) | CELLS).filter(
        lambda text: text[:1] not in FORMULA
    ),
}
MORE_KINDS = {"float32": st.floats(width=32), "int32": st.integers(-(2**31), 2**31 - 1)}


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_table_is_read_again_as_it_was(tmp_path_factory, kind, data):
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    kinds = COLUMN_KINDS | (MORE_KINDS if kind == "parquet" else {})
    count, folder = data.draw(st.integers(1, 3)), tmp_path_factory.getbasetemp()
    columns = {}
    for name in data.draw(st.lists(NAMES, min_size=1, max_size=3, unique=True)):
        of = data.draw(st.sampled_from(list(kinds)))
        columns[name] = pd.Series(data.draw(st.lists(kinds[of], min_size=count, max_size=count)), dtype=of)
    table = pd.DataFrame(columns)
    out = save_table(table, folder / f"any.{kind}")
    again = read_table(out)
    pd.testing.assert_frame_equal(again, table, check_exact=True)
    assert save_table(again, folder / f"again.{kind}").read_bytes() == out.read_bytes()


@pytest.mark.parametrize(
    ("columns", "fault"),
    [
        ({"a": [1.0, np.nan]}, "column a has values that are nan"),
        ({"a": np.float32([1])}, "column a is float32"),
        ({"a": np.uint64([1])}, "column a is uint64"),
        ({"a": ["x", None]}, "neither text nor numbers"),
        ({"a": ["x\0"]}, "neither text nor numbers"),
        ({"a": []}, "without rows"),
        ({"": [1]}, "a column is named ''"),
        ({0: [1]}, "a column is named 0"),
    ],
)
def test_what_a_csv_file_does_not_keep_is_refused(tmp_path, columns, fault):
    with pytest.raises(ValueError, match=fault):
        save_table(pd.DataFrame(columns), tmp_path / "a.csv")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("wanted", [None, [1, 2], "x", "1", np.zeros(1), 1j])
def test_rows_are_looked_up_by_numbers_alone(wanted):
    lookup = Lookup(pd.DataFrame({"a": [1.0, 2.0]}))
    with pytest.raises(ValueError, match=r"a is looked up by one number, not by .*; write rows\(a=0\.5\)"):
        lookup.rows(a=wanted)
    for number in (1, np.float32(1), np.array(1), torch.tensor(1.0), True):
        assert lookup.rows(a=number).tolist() == [0]


def test_columns_of_one_name_are_refused():
    for names in (["a", "a"], ["1", 1]):
        with pytest.raises(ValueError, match="more than one column"):
            Lookup(pd.DataFrame(np.ones((2, 2)), columns=names))


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_cells_are_never_formulas(tmp_path, text):
    for table in (pd.DataFrame({"a": [1.0], "b": [text]}), pd.DataFrame({text: [1.0]})):
        with pytest.raises(ValueError, match="formula"):
            save_table(table, tmp_path / "a.csv")
    assert not list(tmp_path.iterdir())


def test_only_tables_are_read(tmp_path):
    with pytest.raises(ValueError, match=r"write out=table.csv"):
        save_table(pd.DataFrame({"a": [1]}), tmp_path / "a.xlsx")
    with pytest.raises(FileNotFoundError, match="there is no table"):
        read_table(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_bytes(b'"')
    with pytest.raises(ValueError, match="is no table"):
        read_table(tmp_path / "a.csv")


def brute_force(columns, wanted):
    match = np.ones(len(next(iter(columns.values()))), bool)
    for name, value in wanted.items():
        match &= np.isclose(columns[name], value)
    return match.nonzero()[0]


def queries(table, count, seed):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        names = rng.choice(table.columns, rng.integers(1, 6), replace=False)
        row = table.iloc[int(rng.integers(len(table)))]
        other = table.iloc[int(rng.integers(len(table)))]
        for name in names:  # now and then a value that other rows have, and noise about the tolerance
            value = (other if rng.random() < 0.2 else row)[name]
            yield_value = value * (1 + rng.choice([0, 0, 9e-6, 1.1e-5, -9.9e-6]))
            row = row.copy()
            row[name] = yield_value
        yield {name: float(row[name]) for name in names}


def test_rows_are_those_of_brute_force():
    table = latent_table(Sprites(law="grid", shapes=("heart", "square"))).iloc[::37].reset_index(drop=True)
    columns = {name: table[name].to_numpy(np.float64) for name in table.columns}
    lookup, sizes = Lookup(table), []
    for wanted in queries(table, 400, 0):
        found = lookup.rows(**wanted)
        assert found.dtype == np.int32
        assert np.array_equal(found, brute_force(columns, wanted)), wanted
        sizes.append(len(found))
    assert sum(size > 0 for size in sizes) > 120 and sum(size == 0 for size in sizes) > 20


def test_rows_of_all_of_dsprites(table, lookup):
    columns = {name: table[name].to_numpy(np.float64) for name in table.columns}
    for wanted in queries(table, 15, 1):
        assert np.array_equal(lookup.rows(**wanted), brute_force(columns, wanted))
    assert lookup.rows(
        square=1, label_scale=2, label_orientation=3, label_x_position=4, label_y_position=5
    ).tolist() == [((2 * 40 + 3) * 32 + 4) * 32 + 5]
    assert len(lookup.rows()) == 737_280


def test_rows_of_continuous_latents_are_those_of_brute_force():
    rng = np.random.default_rng(0)
    values = rng.normal(size=3000)
    values[1000:2000] = values[:1000] * (1 + rng.normal(size=1000) * 1e-5)
    values[:3] = (np.nan, np.inf, 0.0)
    table = pd.DataFrame({"a": values, "b": rng.integers(0, 3, 3000), "c": ["x"] * 3000})
    lookup = Lookup(table)
    for row in (0, 1, 2, *range(3, 1000, 4)):
        wanted = {"a": values[row], "b": float(table["b"][row])}
        for names in (("a",), ("a", "b"), ("b",)):
            own = {name: wanted[name] for name in names}
            assert np.array_equal(lookup.rows(**own), brute_force({n: table[n].to_numpy() for n in names}, own))


def test_latents_that_the_table_lacks_are_named(lookup):
    with pytest.raises(ValueError, match="did you mean 'value_scale'"):
        lookup.rows(valu_scale=0.5)
    with pytest.raises(ValueError, match="no column of the table named 'c'"):
        Lookup(pd.DataFrame({"a": [1.0], "c": ["x"]})).rows(c=1)


def test_pictures_are_those_of_their_rows(tmp_path):
    sprites = Sprites(size=8, color="hue")
    table = latent_table(sprites, rows=12)
    shown = write_pictures(sprites, table, tmp_path, 12)
    assert [path.name for path in sorted(tmp_path.iterdir())] == [f"{n:02d}.png" for n in range(24)]
    assert list(shown.columns)[-2:] == ["img_path", "split"]
    latents = torch.tensor(table[[factor.name for factor in sprites.factors]].to_numpy(np.float64))
    pictures = sprites.render(latents, torch.device("cpu")).numpy()
    for row, path in enumerate(shown["img_path"]):
        assert np.array_equal(np.asarray(Image.open(path)).transpose(2, 0, 1), pictures[row])
    kept = (tmp_path / "03.png").stat().st_mtime_ns
    (tmp_path / "05.png").unlink()
    write_pictures(sprites, table, tmp_path, 12)
    assert (tmp_path / "05.png").exists() and (tmp_path / "03.png").stat().st_mtime_ns == kept
    with pytest.raises(ValueError, match="vectors and no pictures"):
        write_pictures(Mixing(), latent_table(Mixing(), rows=5), tmp_path, 5)


def test_the_command_line_writes_tables(tmp_path, capsys):
    out = tmp_path / "t.csv"
    words = ["data", "table", "Posteriors", "dim=2", f"out={out}", "rows=20"]
    assert main(words) == 0
    assert "40 rows" in capsys.readouterr().out
    first = out.read_bytes()
    assert main(words) == 0
    assert out.read_bytes() == first
    assert main(["data", "table", "Sprites", "size=8", "rows=6", f"out={out}", f"pictures={tmp_path / 'p'}"]) == 0
    assert len(list((tmp_path / "p").iterdir())) == 12
    assert read_table(out)["img_path"].str.endswith(".png").all()
    for wrong in (["Digits", f"out={out}"], ["Posteriors"], ["Posteriors", f"out={out}", "rows=x"]):
        assert main(["data", "table", *wrong]) == 2
