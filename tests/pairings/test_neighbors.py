import itertools
from collections import Counter

import chz
import numpy as np
import pytest
import torch
from scipy import stats

from kontrast.datasets import Mixing, Sprites, Stored
from kontrast.draws import Draws
from kontrast.pairings import Neighbors
from kontrast.pairings.boxes import Boxes
from kontrast.views import Factor, Things

CPU = torch.device("cpu")
SIZES = (6, 39, 32, 32)


def grid_labels(latents):
    """Labels int64 [n, 4] of scale, orientation, x, y, by the definition of each grid."""
    z = latents.double()
    turn = (z[:, 2] / (2 * np.pi / 39)).round() % 39
    return torch.stack([((z[:, 1] - 0.5) * 10).round(), turn, (z[:, 3] * 31).round(), (z[:, 4] * 31).round()], 1).long()


def moved(pairing, start, n=40_000, dataset=None, seed=0):
    """Labels after one move of n sprites that are all at the same place (shape, then four labels)."""
    shape, scale, turn, x, y = start
    z = torch.tensor([[shape, 0.5 + scale / 10, turn * 2 * np.pi / 39, x / 31, y / 31]]).repeat(n, 1)
    things = Things(torch.zeros(n, 1), torch.arange(n), 0, None, z)
    found = pairing.latents(things, dataset or Sprites(law="grid"), Draws(seed, 0, n))
    assert (found[:, 0] == shape).all()
    return grid_labels(found)


def naive_outcomes(start, modulus=39):
    """Every place that a move leads to, by the definition: where it goes around and where it is clipped."""
    count = Counter()
    for move in itertools.product((-1, 0, 1), repeat=4):
        place = [label + step for label, step in zip(start, move, strict=True)]
        place[1] %= modulus
        for k, top in ((0, 5), (2, 31), (3, 31)):
            place[k] = min(max(place[k], 0), top)
        if place != list(start):
            count[tuple(place)] += 1
    return count


def chi_square(labels, expected):
    seen = Counter(map(tuple, labels.tolist()))
    assert set(seen) <= set(expected)
    total = sum(expected.values())
    return stats.chisquare(
        [seen[place] for place in expected], [len(labels) * count / total for count in expected.values()]
    ).pvalue


def test_a_sprite_inside_moves_to_one_of_80_places_each_as_likely():
    start = (2, 11, 15, 20)
    expected = naive_outcomes(start)
    assert len(expected) == 80 and set(expected.values()) == {1}
    labels = moved(Neighbors(), (1, *start))
    assert chi_square(labels, expected) > 0.01
    changed = (labels != torch.tensor(start)).float()
    assert changed.mean(0).tolist() == pytest.approx([0.675] * 4, abs=0.01)
    assert changed.sum(1).mean().item() == pytest.approx(2.7, abs=0.02)


def test_a_sprite_in_the_corner_has_23_outcomes():
    start = (0, 0, 0, 31)
    expected = naive_outcomes(start)
    assert len(expected) == 23
    labels = moved(Neighbors(), (0, *start))
    assert chi_square(labels, expected) > 0.01
    assert (labels[:, 0] != 0).float().mean().item() == pytest.approx(0.3699, abs=0.01)


def test_an_angle_whose_ends_count_twice_has_moves_that_change_nothing():
    """Half the sprites at 0 have the label 39, from which a step up leads to label 0: the same picture."""
    labels = moved(Neighbors(ends="twice", fixed=("scale", "x", "y")), (2, 3, 0, 10, 10))
    share = torch.bincount(labels[:, 1], minlength=39) / len(labels)
    assert share[[0, 1, 38]].tolist() == pytest.approx([0.5, 0.25, 0.25], abs=0.01)
    once = moved(Neighbors(fixed=("scale", "x", "y")), (2, 3, 0, 10, 10))
    assert sorted(once[:, 1].unique().tolist()) == [1, 38]
    inside = moved(Neighbors(ends="twice"), (2, 3, 5, 10, 10))
    assert chi_square(inside, naive_outcomes((3, 5, 10, 10), 40)) > 0.01


def test_what_is_fixed_stays_and_ends_can_be_ends():
    labels = moved(Neighbors(fixed=("x", "orientation")), (2, 3, 7, 10, 10), 2000)
    assert labels[:, 1].unique().tolist() == [7] and labels[:, 2].unique().tolist() == [10]
    assert len(labels.unique(dim=0)) == 8
    stops = moved(Neighbors(periodic=False), (2, 3, 0, 10, 10), 2000)
    assert stops[:, 1].unique().tolist() == [0, 1]


def test_neighbors_are_rows_of_the_grid_and_are_rendered():
    dataset, pairing, draws = Sprites(law="grid", size=32), Neighbors(), Draws(1, 7, 200)
    source = pairing.open(dataset)
    things = source.batch(draws)
    near = pairing.latents(things, dataset, draws)
    first, second = grid_labels(things.latents), grid_labels(near)
    away = (first - second).abs()
    away[:, 1] = torch.minimum(away[:, 1], 39 - away[:, 1])
    assert away.max() == 1 and (away.sum(1) > 0).all()
    sizes = torch.tensor([3 * 6 * 40 * 1024, 6 * 40 * 1024, 40 * 1024, 1024, 32, 1])[1:]
    rows = torch.cat([near[:, :1].long(), second], 1) @ sizes
    assert torch.equal(dataset.grid(rows).latents, near)
    views = pairing(things, source, draws)
    assert torch.equal(views.views[1], dataset.render(near, CPU))


def test_off_the_grid_a_neighbor_is_a_step_away():
    dataset, draws = Sprites(), Draws(0, 0, 500)
    things = dataset.open("train").batch(draws)
    near = Neighbors().latents(things, dataset, draws)
    step = (near - things.latents)[:, [1, 3, 4]] / torch.tensor([0.1, 1 / 31, 1 / 31])
    clipped = (near[:, [1, 3, 4]] == torch.tensor([0.5, 0, 0])) | (near[:, [1, 3, 4]] == 1)
    assert (((step - step.round()).abs() < 1e-3) | clipped).all()
    assert (near != things.latents).any(1).all()


@chz.chz
class _Rows(Stored):
    """Some rows of a grid of 2 x 3 x 4 places, the last of them around, whose observations are their latents."""

    places: tuple[tuple[int, ...], ...]
    others: tuple[tuple[int, ...], ...] = ()

    @property
    def shape(self):
        return (3,)

    @property
    def factors(self):
        return (
            Factor("kind", "discrete", 0, 1, size=2),
            Factor("a", high=2.0, grid=3),
            Factor("b", "periodic", grid=4),
        )

    def read(self, split):
        z = torch.tensor(self.places if split == "train" else self.others).float() / torch.tensor([1.0, 1.0, 4.0])
        return Things(z, 10 * torch.arange(len(z)) + 5, 0, None, z)


EVERY = tuple(itertools.product(range(2), range(3), range(4)))


def beside(one, other):
    around = abs(one[2] - other[2]) in (0, 1, 3)
    return one != other and one[0] == other[0] and abs(one[1] - other[1]) <= 1 and around


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("seed", range(4))
def test_neighbors_of_stored_rows_are_rows_of_the_same_split(seed, split):
    order = np.random.default_rng(seed).permutation(len(EVERY))
    half = [EVERY[k] for k in order[:9]]
    dataset = _Rows(places=tuple(half), others=tuple(EVERY[k] for k in order[9:16]))
    there = dataset.places if split == "train" else dataset.others
    pairing = Neighbors()
    source = pairing.open(dataset, split)
    social = [k for k, place in enumerate(there) if any(beside(place, other) for other in there)]
    assert source.count == len(social)
    seen = set()
    for step in range(300):
        draws = Draws(seed, step, 1)
        things = source.batch(draws)
        [row] = pairing.rows(things, source, draws).tolist()
        seen.add((int(source.numbers(things.index)), row))
    assert seen == {(j, k) for j in social for k in range(len(there)) if beside(there[j], there[k])}


def test_doubled_rows_of_a_place_are_neighbors_alike():
    dataset = _Rows(places=((0, 0, 0), (0, 1, 0), (0, 1, 0)))
    pairing = Neighbors()
    source, things = pairing.open(dataset), dataset.read("train")
    rows = torch.cat([pairing.rows(_numbered(things, k), source, Draws(0, 0, 3))[:1] for k in range(400)])
    assert 140 < (rows == 1).sum() < 260 and set(rows.tolist()) == {1, 2}


def _numbered(things, epoch):
    return Things(things.observations, things.index, epoch, None, things.latents)


@chz.chz
class _Cloud(Stored):
    """n uniform rows of latents in [-1, 1]^k."""

    count: int = 600
    dim: int = 3
    kind: str = "periodic"

    @property
    def shape(self):
        return (self.dim,)

    @property
    def factors(self):
        return tuple(Factor(f"z{k}", self.kind, -1.0, 1.0) for k in range(self.dim))

    def read(self, split):
        draw = torch.Generator().manual_seed(1)
        z = 2 * torch.rand(self.count, self.dim, generator=draw) - 1
        return Things(z, torch.arange(self.count), 0, None, z)


def boxes(pairing, dataset):
    return pairing._index(pairing.open(dataset))


@pytest.mark.parametrize("periodic", [True, False])
def test_candidates_are_those_of_brute_force(periodic):
    dataset = _Cloud(count=5000)
    pairing = Neighbors(by="box", tolerance=(0.1, 0.2, 0.15), periodic=periodic)
    z = dataset.read("train").latents.double().numpy()
    found = boxes(pairing, dataset).candidates(np.arange(500))
    for row, others in enumerate(found):
        away = abs(z - z[row])
        if periodic:
            away = np.minimum(away, 2 - away)
        inside = (away < (0.1, 0.2, 0.15)).all(1)
        inside[row] = False
        assert np.array_equal(others, inside.nonzero()[0])
    assert sum(map(len, found)) > 500


def test_the_edge_of_a_box_is_outside():
    z = np.array([[0.0], [0.5], [0.499], [1.9]])
    index = Boxes(z, np.zeros(1), np.array([0.5]), np.array([0.0]), 1.1)
    assert [list(others) for others in index.candidates(np.array([0, 3]))] == [[2], []]
    around = Boxes(z, np.zeros(1), np.array([0.5]), np.array([2.0]), 1.1)
    assert list(around.candidates(np.array([3]))[0]) == [0]


def test_a_box_grows_by_tenths_until_someone_is_in_it():
    z = np.array([[0.0], [1.35], [1.4], [1.5]])
    index = Boxes(z, np.zeros(1), np.ones(1), np.zeros(1), 1.1)
    chosen = index.drawn(np.zeros(4000, np.int64), np.linspace(0, 0.9999, 4000))
    assert np.bincount(chosen, minlength=4).tolist() == [0, 2000, 2000, 0]  # 1.1^4 = 1.4641


def test_rows_of_a_box_are_uniform_and_never_itself():
    dataset, pairing = _Cloud(count=300), Neighbors(by="box")
    source = pairing.open(dataset)
    things = dataset.read("train")
    others = boxes(pairing, dataset).candidates(np.array([7]))[0]
    assert len(others) > 5
    one = Things(things.observations[7:8], things.index[7:8], 0, None, things.latents[7:8])
    seen = Counter(int(pairing.rows(_numbered(one, k), source, Draws(0, 0, 1))) for k in range(1500))
    assert set(seen) == set(others.tolist())
    assert stats.chisquare(list(seen.values())).pvalue > 0.01


def test_the_mean_count_of_candidates_is_that_of_the_source():
    """250,000 rows of 10 latents have 3.07: here as many in each box, of 3 latents, at the same share of a range."""
    count = round(3.07 * 3**3) + 1
    means = [np.mean([len(x) for x in _counted(count, seed)]) for seed in range(60)]
    assert np.mean(means) == pytest.approx(3.07, abs=0.3)


def _counted(count, seed):
    z = np.random.default_rng(seed).uniform(-1, 1, (count, 3))
    half = np.full(3, 1 / 3)
    return Boxes(z, np.full(3, -1.0), half, np.full(3, 2.0), 1.1).candidates(np.arange(count))


@pytest.mark.slow
def test_the_mean_count_of_candidates_among_250_000_rows():
    z = np.random.default_rng(0).uniform(-1, 1, (250_000, 10)) * ([3] * 3 + [np.pi / 2] * 7)
    ends = -np.array([3] * 3 + [np.pi / 2] * 7)
    half = np.array([1] * 3 + [0.5] * 7)
    rows = np.arange(0, 250_000, 100)
    mean = np.mean([len(x) for x in Boxes(z, ends, half, -2 * ends, 1.1).candidates(rows)])
    assert mean == pytest.approx(3.07, abs=0.3)


def test_rendered_neighbors_in_a_box_are_uniform_in_it():
    dataset, pairing = Sprites(size=8), Neighbors(by="box", tolerance=(0.1, 0.5, 0.2, 0.1), fixed=())
    n = 20_000
    z = torch.tensor([[1.0, 0.75, 0.1, 0.05, 0.5]]).repeat(n, 1)
    near = pairing.latents(Things(torch.zeros(n, 1), torch.arange(n), 0, None, z), dataset, Draws(0, 0, n))
    turn = (near[:, 2] - 0.1 + np.pi) % (2 * np.pi) - np.pi
    for column, low, high in (
        (near[:, 1], 0.65, 0.85),
        (turn, -0.5, 0.5),
        (near[:, 3], 0, 0.25),
        (near[:, 4], 0.4, 0.6),
    ):
        assert stats.kstest(column.numpy(), stats.uniform(low, high - low).cdf).pvalue > 0.001
    assert (near[:, 0] == 1).all()


def test_a_row_alone_in_its_class_is_no_anchor():
    dataset = _Rows(places=((0, 0, 0), (0, 2, 2), (1, 0, 0)))
    source = Neighbors(by="box").open(dataset)
    assert source.count == 2
    assert Neighbors().open(_Rows(places=((0, 0, 0), (0, 1, 3), (1, 0, 0), (0, 2, 1)))).count == 2


@pytest.mark.parametrize("ranks", [2, 4])
@pytest.mark.parametrize(
    ("pairing", "dataset"),
    [
        (Neighbors(), Sprites(size=8, law="grid")),
        (Neighbors(by="box"), Sprites(size=8)),
        (Neighbors(by="box"), _Cloud()),
        (Neighbors(), _Rows(places=EVERY)),
    ],
)
def test_the_shares_of_all_processes_are_the_batch_of_one(pairing, dataset, ranks):
    source = pairing.open(dataset)
    size = 24 if isinstance(dataset, _Rows) else 32

    def views_of(*share):
        draws = Draws(5, 3, size, *share)
        return pairing(source.batch(draws), source, draws)

    whole, parts = views_of(), [views_of(rank, ranks) for rank in range(ranks)]
    for number, view in enumerate(whole.views):
        assert torch.equal(torch.cat([part.views[number] for part in parts]), view)


@pytest.mark.parametrize(
    ("options", "dataset", "words"),
    [
        ({"fixed": ("scal",)}, Sprites(), "did you mean 'scale'"),
        ({"fixed": ("scale", "orientation", "x", "y")}, Sprites(), "write pairing.by=box"),
        ({"by": "box", "fixed": ("scale", "orientation", "x", "y")}, Sprites(), "left to move"),
        ({"by": "box", "tolerance": (0.1, 0.1)}, Sprites(), "4 factors of Sprites move"),
        ({}, Mixing(), "write pairing.by=box"),
        ({}, _Cloud(), "write pairing.by=box"),
    ],
)
def test_data_that_have_no_such_neighbors(options, dataset, words):
    with pytest.raises(ValueError, match=words):
        Neighbors(**options).check(dataset)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"by": "boxes"}, "did you mean 'box'"),
        ({"ends": "thrice"}, "did you mean 'twice'|write one of"),
        ({"tolerance": (0.0,)}, "positive"),
        ({"growth": 1.0}, "write pairing.growth=1.1"),
        ({"ends": "twice", "periodic": False}, "write pairing.periodic=True"),
    ],
)
def test_options_that_mean_nothing(options, words):
    with pytest.raises(ValueError, match=words):
        Neighbors(**options)


@chz.chz
class _Off(Stored):
    """Two rows, the second of them between two values of the grid."""

    @property
    def shape(self):
        return (1,)

    @property
    def factors(self):
        return (Factor("a", high=2.0, grid=3),)

    def read(self, split):
        z = torch.tensor([[1.0], [0.4]])
        return Things(z, torch.arange(2), 0, None, z)


def test_rows_off_their_grid_are_named():
    with pytest.raises(ValueError, match=r"row 1 has a=0.4, which is not on its grid"):
        Neighbors().open(_Off())
