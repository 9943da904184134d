from pathlib import Path

import chz
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kontrast.datasets import CIFAR10, STL10, Digits, FashionMNIST, ImageFolder, Stored, Subset
from kontrast.datasets.subset import _order, _share
from kontrast.draws import generator
from kontrast.parts import resolve
from kontrast.views import Split, Things

import formats

counts = st.lists(st.integers(1, 40), min_size=1, max_size=8)


@chz.chz
class _Labeled(Stored):
    """Rows of which the label and the number are given."""

    labels: tuple[int, ...] | None
    count: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        return (1,)

    @property
    def classes(self) -> tuple[str, ...]:
        return () if self.labels is None else tuple(str(n) for n in range(max(self.labels) + 1))

    def read(self, split: Split) -> Things:
        labels = None if self.labels is None else torch.tensor(self.labels)
        count = self.count if labels is None else len(labels)
        return Things(torch.arange(float(count))[:, None], torch.arange(count), 0, labels)


def labeled(sizes: list[int], seed: int = 0) -> _Labeled:
    labels = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    return _Labeled(labels=tuple(labels[torch.randperm(len(labels), generator=generator(seed))].tolist()))


def histogram(data: Stored, split: Split = "train") -> list[int]:
    labels = data.read(split).labels
    assert labels is not None
    return labels.bincount(minlength=len(data.classes)).tolist()


@given(counts, st.integers(1, 100), st.integers(0, 3))
def test_a_balanced_fraction(sizes: list[int], percent: int, seed: int) -> None:
    """Exactly floor(f n) rows; no class has two fewer than another, unless it has no more to give."""
    data, n = labeled(sizes, seed), sum(sizes)
    wanted = n * percent // 100
    subset = Subset(of=data, fraction=percent / 100, seed=seed)
    if not wanted:
        with pytest.raises(ValueError, match="is none; write a larger fraction"):
            subset.read("train")
        return
    found = histogram(subset)
    assert sum(found) == wanted == len(subset.rows("train"))
    most = max(found)
    assert all(got >= most - 1 or got == size for got, size in zip(found, sizes, strict=True))


@given(counts, st.integers(1, 99), st.integers(0, 3))
def test_what_is_held_out_has_the_shares_of_the_whole(sizes: list[int], percent: int, seed: int) -> None:
    data, n = labeled(sizes, seed), sum(sizes)
    wanted = n * percent // 100
    order = _order(torch.tensor(data.labels), n, generator(seed), by_share=True)
    held = torch.tensor(data.labels)[order[:wanted]].bincount(minlength=len(sizes)).tolist()
    # Of the row at (r + 1/2) / s, all classes have those before one common point, but for ties.
    assert all(abs(got - wanted * size / n) <= 1 + len(sizes) / 2 for got, size in zip(held, sizes, strict=True))
    assert sum(held) == wanted


@given(st.floats(0.001, 1), st.integers(1, 10**7))
def test_a_share_is_that_of_the_number_as_it_is_written(share: float, count: int) -> None:
    assert 0 <= share * count - _share(share, count) < 1 + 1e-6
    assert _share(0.29, 100) == 29
    assert _share(0.1, 50_000) == 5000
    assert _share(1.0, count) == count


def test_fractions_are_nested() -> None:
    for balanced in (True, False):
        rows = [
            set(Subset(fraction=fraction, balanced=balanced, holdout=0.1).rows("train").tolist())
            for fraction in (0.01, 0.1, 0.5, 1.0)
        ]
        assert rows[0] < rows[1] < rows[2] < rows[3]
        assert [len(some) for some in rows] == [12, 121, 606, 1213]


def test_eighty_and_twenty() -> None:
    """The split of the source: four fifths train, one fifth validates, and they are all rows, each once."""
    whole = Digits().read("train")
    held, own = Subset(holdout=0.2, test="held"), Subset(holdout=0.2)
    train, test = held.rows("train"), held.rows("test")
    assert (len(train), len(test)) == (1078, 269)
    assert torch.cat([train, test]).sort().values.equal(whole.index)
    assert own.rows("train").equal(train)
    assert own.read("test").observations.equal(Digits().read("test").observations)
    assert max(histogram(held, "test")) - min(histogram(held, "test")) <= 2
    for fraction in (0.1, 0.5):
        assert chz.replace(held, fraction=fraction).rows("test").equal(test)
    larger = Subset(holdout=0.5, test="held").rows("test")
    assert set(test.tolist()) < set(larger.tolist())


def test_rows_keep_their_content_order_and_number() -> None:
    whole, some = Digits().read("train"), Subset(fraction=0.3, seed=4).read("train")
    assert some.index.equal(some.index.sort().values)
    assert some.observations.equal(whole.observations[some.index])
    assert whole.labels is not None and some.labels is not None
    assert some.labels.equal(whole.labels[some.index])


def test_the_seed_decides_and_nothing_else() -> None:
    torch.manual_seed(5)
    first = Subset(fraction=0.1).rows("train")
    torch.rand(7)
    assert Subset(fraction=0.1).rows("train").equal(first)
    assert not Subset(fraction=0.1, seed=1).rows("train").equal(first)
    assert not Subset(fraction=0.1, balanced=False).rows("train").equal(first)
    # The choice is part of what is published with a result: it stays what it is.
    assert Subset(fraction=0.01).rows("train").tolist() == GOLDEN


GOLDEN = [54, 89, 149, 194, 269, 332, 337, 379, 421, 444, 799, 807, 987]


def test_a_random_fraction_needs_no_labels() -> None:
    data = _Labeled(labels=None, count=50)
    assert len(Subset(of=data, fraction=0.3, balanced=False, holdout=0.2).rows("train")) == 12
    with pytest.raises(ValueError, match="training rows without a label; write balanced=False"):
        Subset(of=data, fraction=0.3).read("train")
    with pytest.raises(ValueError, match="training rows without a label"):
        Subset(of=_Labeled(labels=(0, 1, -1, 0)), fraction=0.5).read("train")


def test_unlabeled_rows_can_be_held_out(tmp_path: Path) -> None:
    formats.stl10(tmp_path, 10)
    held = Subset(of=STL10(root=str(tmp_path), part="unlabeled"), holdout=0.2, test="held")
    assert (len(held.rows("train")), len(held.rows("test"))) == (8, 2)


def test_it_lies_where_the_whole_would(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of a mapped set are mapped, and pictures that are not chosen are never decoded."""
    formats.stl10(tmp_path, 10)
    data = Subset(of=STL10(root=str(tmp_path)), fraction=0.5)
    source = data.open("train", place="mapped")
    assert "mapped from" in source.place
    assert source.things.observations.equal(STL10(root=str(tmp_path)).read("train").observations[data.rows("train")])
    folder = formats.imagenet(tmp_path / "i") / "train"
    pictures = Subset(of=ImageFolder(root=str(folder), size=8, test=0), fraction=0.5, seed=1)
    names = pictures.of.names("train")
    for number in set(range(len(names))) - set(pictures.rows("train").tolist()):
        (folder / names[number]).write_bytes(b"no picture")
    assert len(pictures.read("train").index) == 6


def test_it_is_like_the_whole(tmp_path: Path) -> None:
    data = Subset(of=CIFAR10(root=str(formats.cifar10(tmp_path))))
    assert (data.shape, data.classes, data.factors) == (data.of.shape, data.of.classes, data.of.factors)
    assert data.read("train").observations.equal(data.of.read("train").observations)
    (tmp_path / "cifar-10-batches-bin" / "data_batch_2.bin").write_bytes(b"short")
    assert [fault.where[-16:] for fault in data.faults("train")] == ["data_batch_2.bin"]
    assert data.faults("test") == []


def test_what_it_lists() -> None:
    assert Subset().listed() == {}
    some = Subset(fraction=0.1)
    assert some.listed() == {"rows of train": some.rows("train").tolist()}
    held = Subset(holdout=0.1, test="held")
    assert held.listed() == {f"rows of {split}": held.rows(split).tolist() for split in ("train", "test")}


def test_a_subset_of_a_subset_keeps_the_numbers_of_the_whole() -> None:
    inner = Subset(holdout=0.5, test="held")
    outer = Subset(of=inner, fraction=0.1)
    assert set(outer.rows("train").tolist()) < set(inner.rows("train").tolist())
    assert list(outer.listed()) == ["rows of train", "rows of test"]
    assert outer.listed()["rows of train"] == outer.rows("train").tolist()


def test_it_can_be_named_on_a_command_line() -> None:
    built = chz.Blueprint(Subset).apply_from_argv(["of=FashionMNIST", "fraction=0.1", "balanced=False", "seed=3"])
    assert built.make() == Subset(of=FashionMNIST(), fraction=0.1, balanced=False, seed=3)
    assert resolve(Stored, "Subset") is Subset


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"fraction": 0.0}, "a fraction of 0.0 of the rows cannot be; write fraction=0.1"),
        ({"fraction": 1.5}, "a fraction of 1.5 of the rows cannot be"),
        ({"holdout": 1.0}, "a share of 1.0 of the rows cannot be held out; write holdout=0.2"),
        ({"holdout": -0.1}, "cannot be held out"),
        ({"test": "held"}, "no rows are held out to test on; write holdout=0.2, or test=own"),
        ({"test": "val"}, "the test split is own or held, not 'val'; write test=own"),
    ],
)
def test_what_cannot_be_is_refused(options, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        Subset(**options)
