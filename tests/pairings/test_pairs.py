"""Tables of pairs: drawn, saved, refused, and trained from."""

import numpy as np
import pandas as pd
import pytest
import torch

from kontrast.cli import main
from kontrast.datasets import Digits, Mixing, Sprites
from kontrast.datasets.rendered import Rendered
from kontrast.draws import Draws
from kontrast.pairings import Augmented, Conditional, Content, Neighbors, Pairs, PairTable, draw_pairs
from kontrast.similarities import Lp

from formats_pairs import _Crossed, _Points, table_of

NEAR = Conditional(similarity=Lp(p=2), temperature=0.01)
STYLE = Content(style=("angle",))


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize(("pairing", "dataset"), [(NEAR, _Points()), (STYLE, _Crossed()), (Neighbors(), _Crossed())])
def test_the_same_seed_gives_the_same_bytes(pairing, dataset, ending, tmp_path):
    for name, seed in (("one", 0), ("two", 0), ("other", 1)):
        draw_pairs(pairing, pairing.open(dataset), 50, seed).save(tmp_path / f"{name}.{ending}")
    one, two, other = ((tmp_path / f"{name}.{ending}").read_bytes() for name in ("one", "two", "other"))
    assert one == two != other
    found, drawn = PairTable.load(tmp_path / f"one.{ending}"), draw_pairs(pairing, pairing.open(dataset), 50)
    assert all(torch.equal(getattr(found, side), getattr(drawn, side)) for side in ("first", "second", "z", "zprime"))


def test_a_table_has_two_levels_and_the_pairs_of_training(tmp_path):
    table = NEAR.open(_Points())
    draw_pairs(NEAR, table, 300).save(tmp_path / "pairs.csv")
    frame = pd.read_csv(tmp_path / "pairs.csv", header=[0, 1])
    assert list(frame.columns) == [(s, n) for s in ("z", "zprime") for n in ("row", "x", "y", "angle", "kind")]
    draws = Draws(0, 0, 300)
    views = NEAR(table.batch(draws), table, draws).views
    np.testing.assert_array_equal(frame["z"][["x", "y", "angle", "kind"]].astype(np.float32), views[0])
    np.testing.assert_array_equal(frame["zprime"][["x", "y", "angle", "kind"]].astype(np.float32), views[1])
    assert len(draw_pairs(NEAR, table, 700)) == 700
    assert sorted(frame["z"]["row"]) == list(range(300))


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_each_pair_comes_once_in_an_epoch(ranks, tmp_path):
    dataset = _Crossed()
    draw_pairs(STYLE, STYLE.open(dataset), 48).save(tmp_path / "pairs.csv")
    pairing = Pairs(table=str(tmp_path / "pairs.csv"))
    saved = PairTable.load(tmp_path / "pairs.csv")
    source, seen = pairing.open(dataset), []
    assert source.count == 48
    for step in range(6, 12):
        for rank in range(ranks):
            draws = Draws(2, step, 8, rank, ranks)
            things = source.batch(draws)
            views = pairing(things, source, draws)
            seen += list(map(tuple, torch.cat(views.views, 1).tolist()))
    assert sorted(seen) == sorted(map(tuple, torch.cat([saved.z, saved.zprime], 1).tolist()))


def test_rows_of_a_probe_have_a_partner_of_the_table(tmp_path):
    pairing = Pairs(table=str(table_of(STYLE, _Crossed(), 480)))
    source = pairing.open(_Crossed())
    things = next(source.chunks(24))
    views = pairing(things, source, Draws(0, 0, 24))
    saved = PairTable.load(table_of(STYLE, _Crossed(), 480))
    known = set(map(tuple, torch.cat([saved.z, saved.zprime], 1).tolist()))
    assert set(map(tuple, torch.cat(views.views, 1).tolist())) <= known
    short = Pairs(table=str(table_of(STYLE, _Crossed(), 3)))
    with pytest.raises(ValueError, match="is the first of no pair"):
        short(things, short.open(_Crossed()), Draws(0, 0, 24))


def broken(path, change):
    frame = pd.read_csv(path, header=[0, 1])
    change(frame).to_csv(path, index=False)


def put(side, column, value):
    def change(frame):
        frame[side, column] = frame[side, column].astype(object if isinstance(value, str) else float)
        frame.loc[1, (side, column)] = value
        if column == "row" and not isinstance(value, str):
            frame[side, column] = frame[side, column].astype(int)
        return frame

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (put("z", "x", 0.5), "pairs of other data than the train split of _Points: the latents of row .* differ"),
        (put("zprime", "x", float("nan")), "pairs of other data .* differ"),
        (put("zprime", "row", 300), "names row 300 of 300"),
        (put("z", "row", -1), "pairs of other data"),
        (put("z", "row", "a"), "a column has something that is no number"),
        (lambda frame: frame.drop(columns=[("z", "x")]), "it has not row and latents"),
        (lambda frame: frame.drop(columns=[("z", "x"), ("zprime", "x")]), "its latents are y, angle, kind"),
        (lambda frame: frame.iloc[:0], "no pairs|no number"),
        (lambda frame: frame["z"], "is no table of pairs"),
        (lambda frame: frame.rename(columns={"z": "other"}, level=0), "is no table of pairs"),
    ],
)
def test_foreign_tables_are_refused(change, words, tmp_path):
    path = tmp_path / "pairs.csv"
    draw_pairs(NEAR, NEAR.open(_Points()), 20).save(path)
    broken(path, change)
    with pytest.raises(ValueError, match=words):
        Pairs(table=str(path)).open(_Points())


@pytest.mark.parametrize("content", [b"", b"\x00\xff\x00\xff", b"a,b\n1,2\n", b'"', b"z,zprime\nrow,row\n1"])
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_files_that_are_no_tables_are_refused(content, ending, tmp_path):
    path = tmp_path / f"pairs.{ending}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="pairs"):
        Pairs(table=str(path)).open(_Points())


def test_other_rows_and_other_data_are_refused(tmp_path):
    path = table_of(NEAR, _Points())
    pairing = Pairs(table=str(path))
    pairing.open(_Points())
    with pytest.raises(ValueError, match="other data than the train split of _Points"):
        pairing.open(_Points(seed=1))
    with pytest.raises(ValueError, match="other data than the test split"):
        pairing.open(_Points(), "test")
    with pytest.raises(ValueError, match="its latents are x, y, angle, kind"):
        pairing.open(_Crossed())
    with pytest.raises(FileNotFoundError, match="there is no table of pairs"):
        Pairs(table=str(tmp_path / "none.csv")).open(_Points())
    with pytest.raises(ValueError, match=r"\.csv or \.parquet"):
        Pairs(table="pairs.txt").open(_Points())
    with pytest.raises(ValueError, match="has no rows for a table to name"):
        pairing.check(Sprites(size=16))


def test_views_of_one_picture_are_no_pairs_of_rows():
    with pytest.raises(ValueError, match="Augmented does not pair rows with rows"):
        draw_pairs(Augmented(), Digits().open("train"), 10)
    with pytest.raises(ValueError, match="at least one pair"):
        draw_pairs(NEAR, _Points().open("train"), 0)


NOMINAL = ["Sprites", "size=16", "shapes=square", "pairing.similarity=Lp", "rows=6", "test=4"]


def test_pairs_of_the_nominal_law_are_rendered_and_trained_from(tmp_path, capsys):
    folder = tmp_path / "pairs"
    assert main(["data", "pairs", *NOMINAL, f"render={folder}"]) == 0
    said = capsys.readouterr().out
    assert "6 pairs in 12 pictures, and 4 to test" in said
    assert "data=Rendered data.of=Sprites data.of.size=16 data.of.shapes=square" in said
    sprites = Sprites(size=16, shapes=("square",))
    dataset = Rendered(of=sprites, root=str(folder), size=16, channels=1, cached=False)
    pairing = Pairs(table=str(folder / "pairs.csv"))
    source = pairing.open(dataset)
    views = pairing(source.batch(Draws(0, 0, 6)), source, Draws(0, 0, 6))
    saved = PairTable.load(folder / "pairs.csv")
    shown = {tuple(z.tolist()): sprites.render(z[None], torch.device("cpu"))[0] for z in (*saved.z, *saved.zprime)}
    for things, view in zip((saved.z, saved.zprime), views.views, strict=True):
        order = Draws(0, 0, 6).rows(6)[1]
        for z, picture in zip(things[order], view, strict=True):
            assert torch.equal(shown[tuple(z.tolist())], picture)
    world = Conditional(similarity=Lp())
    expected = draw_pairs(world, world.open(sprites), 6)
    assert torch.equal(expected.zprime, saved.zprime)
    assert len(dataset.open("test").index) == 4
    before = (folder / "pairs.csv").read_bytes()
    assert main(["data", "pairs", *NOMINAL, f"render={folder}"]) == 0
    assert (folder / "pairs.csv").read_bytes() == before
    foreign = Rendered(of=Mixing(dim=5), root=str(folder), size=16, channels=1)
    with pytest.raises(ValueError, match=r"has pictures of Sprites, not of Mixing; write data\.of=Sprites"):
        foreign.open("train")


def test_the_command_says_what_is_asked_of_it(capsys, tmp_path):
    assert main(["data", "pairs", "Sprites", "pairing=Conditional", "pairing.similarity=Lp", "rows=50"]) == 0
    said = capsys.readouterr().out
    assert "std drawn" in said and "orientation" in said and "50 pairs of Conditional" in said
    for words, told in [
        (["Sprites", "pairing.similarity=Lp", "out=pairs.csv"], "out= saves pairs of the rows of stored data"),
        (["Digits", "pairing=Augmented", "rows=5"], "does not know its latents"),
        (["Digits", "rows=5"], "does not know its latents"),
        (["Sprites", "pairing.similarity=Lp", "first=some"], "no kind of anchor"),
        (["Nothing"], "no method"),
    ]:
        assert main(["data", "pairs", *words]) == 2
        assert told in capsys.readouterr().err
