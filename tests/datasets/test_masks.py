"""Masks: figures where their latents say, steps of the declared law, and the layout of KITTI Masks."""

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.ndimage import center_of_mass, label

from kontrast.datasets import KITTIMasks, Masks, Order
from kontrast.datasets.kitti_masks import chosen
from kontrast.datasets.masks import figure
from kontrast.datasets.masks.masks import HIGH, LOW, SCALE


@pytest.fixture(scope="module")
def many():
    return Masks(sequences=400, seed=1).walks()


def steps(walks, states):
    first = torch.zeros(len(states), dtype=torch.bool)
    first[walks.lengths.cumsum(0) - walks.lengths] = True
    return (states[1:] - states[:-1])[~first[1:]], states[:-1][~first[1:]]


def drawn(walks, count=1500):
    return figure.pictures(walks.states[:count], walks.poses[:count], walks.mirrored[:count])


def test_lengths_are_like_those_of_kitti_masks(many):
    assert many.lengths.min() >= 2
    assert many.lengths.double().mean() == pytest.approx(40, abs=6)
    assert stats.kstest(many.lengths.numpy() - 1, stats.geom(1 / 39).cdf).statistic < 0.1
    assert set(Masks(sequences=50, length=2.0).walks().lengths.tolist()) == {2}


@pytest.mark.parametrize(("p", "kurtosis"), [(1.0, 3.0), (2.0, 0.0)])
def test_steps_have_the_declared_law(p, kurtosis):
    walks = Masks(sequences=400, seed=1, p=p).walks()
    change, begin = steps(walks, walks.states)
    low, high, scale = (torch.tensor(bound, dtype=torch.float64) for bound in (LOW, HIGH, SCALE))
    assert (walks.states >= low).all() and (walks.states <= high).all()
    # Far from the ends of the ranges, which cut the law off, it is that of the free step.
    free = ((begin - low > 8 * scale) & (high - begin > 8 * scale)).numpy()
    for k in range(3):
        column = (change[:, k].numpy() / SCALE[k])[free[:, k]]
        assert stats.kstest(column, stats.gennorm(p).cdf).pvalue > 1e-3
        assert stats.kstest(column, stats.gennorm(3 - p).cdf).pvalue < 1e-9
        assert stats.kurtosis(column) == pytest.approx(kurtosis, abs=0.8)
    assert abs(np.corrcoef(change.T.numpy())[np.triu_indices(3, 1)]).max() < 0.03


def test_steps_are_as_wide_as_asked_for():
    one, two = (Masks(sequences=200, seed=1, pace=pace).walks() for pace in (0.5, 1.0))
    narrow, wide = (steps(walks, walks.states)[0].abs().mean(0) for walks in (one, two))
    assert (wide / narrow).tolist() == pytest.approx([2, 2, 2], rel=0.1)


def test_sequences_begin_anywhere(many):
    first = many.states[many.lengths.cumsum(0) - many.lengths].numpy()
    for k in range(3):
        assert stats.kstest(first[:, k], stats.uniform(LOW[k], HIGH[k] - LOW[k]).cdf).pvalue > 1e-3


def test_latents_are_measured_in_the_mask_and_are_near_those_asked_for(many):
    masks = drawn(many)
    found = figure.measured(masks)
    naive = [(*center_of_mass(mask), mask.sum()) for mask in masks[:200].numpy()]
    assert np.array_equal(np.float32(naive), found[:200].numpy())
    error = (found - many.states[: len(masks)]).numpy()
    assert (abs(error.mean(0)) < (0.03, 0.02, 0.5)).all()
    assert (error.std(0) < (0.26, 0.09, 4.5)).all()


def test_a_mask_is_one_person_whom_nothing_cuts(many):
    masks = drawn(many).numpy()
    assert set(np.unique(masks)) == {0, 1}
    assert not masks[:, [0, -1]].any() and not masks[:, :, [0, -1]].any()
    assert masks.sum((1, 2)).min() >= 30
    pieces = [label(mask, np.ones((3, 3)))[1] for mask in masks[:400]]
    assert np.mean(np.array(pieces) == 1) > 0.97
    tall, wide = masks.any(2).sum(1), masks.any(1).sum(1)
    assert (tall > 1.4 * wide).mean() > 0.9


def test_figures_walk():
    state = torch.tensor([[31.0, 31.0, 200.0]], dtype=torch.float64).expand(figure.POSES, 3)
    poses = torch.arange(figure.POSES) + 2 * figure.POSES
    right = figure.pictures(state, poses, torch.zeros(len(poses), dtype=torch.bool)).int()
    left = figure.pictures(state, poses, torch.ones(len(poses), dtype=torch.bool)).int()
    feet = right.any(1).sum(1)
    assert feet.max() > 1.8 * feet.min()  # legs open and close
    # The second half of a stride is the first one with the legs exchanged.
    half = figure.POSES // 2
    assert (right[:half] != right[half:]).sum((1, 2)).float().mean() < 6
    assert (left.flip(2)[:, :, 1:] != right[:, :, :-1]).sum((1, 2)).float().mean() < 25
    assert (left != right).sum((1, 2)).float().mean() > 25


def test_no_pose_reaches_the_edge_of_its_drawing_or_patch():
    poses = figure.poses()
    assert not poses.shapes[:, [0, -1]].any() and not poses.shapes[:, :, [0, -1]].any()
    for shape, center in zip(poses.shapes, poses.center, strict=True):
        for axis in (0, 1):
            inside = shape.any(1 - axis).nonzero()[:, 0]
            away = torch.stack([center[axis] - inside[0] / figure.FINE, (inside[-1] + 1) / figure.FINE - center[axis]])
            assert away.max() <= figure.PATCH[axis] / 2


def test_rows_are_the_frames_of_whole_sequences_in_their_order():
    data = Masks(sequences=20, length=5.0, test=0.25, seed=3)
    train, test = data.hold("train"), data.hold("test")
    assert len(test.sequence.unique()) == 5 and len(train.sequence.unique()) == 15
    assert not set(test.sequence.tolist()) & set(train.sequence.tolist())
    both = torch.cat([train.index, test.index]).sort().values
    assert torch.equal(both, torch.arange(int(data.walks().lengths.sum())))
    whole = Masks(sequences=20, length=5.0, test=0.0, seed=3)
    assert torch.equal(whole.hold("train").store.memory(), whole.hold("test").store.memory())
    assert torch.equal(whole.hold("train").store.memory()[test.index], test.store.memory())


def test_chosen_is_what_a_loop_finds():
    lengths, films = torch.tensor([3, 2, 5, 4]), [range(3), range(3, 5), range(5, 10), range(10, 14)]
    for split in ("train", "test"):
        rows, sequence = chosen(lengths, 0.5, 1, split)
        mine = sequence.unique().tolist()
        assert rows.tolist() == [row for film in mine for row in films[film]]
        assert sequence.tolist() == [film for film in mine for _ in films[film]]


def test_what_it_writes_is_read_back_bit_by_bit(tmp_path, monkeypatch):
    monkeypatch.setenv("KONTRAST_DATA", str(tmp_path / "cache"))
    data, told = Masks(sequences=12, length=4.0, test=0.25, seed=5), []
    data.write(tmp_path / "set", Order(tell=lambda done, count: told.append((done, count))))
    read = KITTIMasks(root=str(tmp_path / "set"), test=0.25, seed=5)
    for split in ("train", "test"):
        one, two = data.hold(split), read.hold(split)
        assert torch.equal(one.store.memory(), two.store.memory())
        assert all(torch.equal(getattr(one, name), getattr(two, name)) for name in ("index", "latents", "sequence"))
    assert told[-1][0] == told[-1][1] > 0
    path = tmp_path / "set" / "kitti_peds_v2.pickle"
    before = path.stat().st_mtime_ns
    data.write(tmp_path / "set", Order())
    assert path.stat().st_mtime_ns == before
    with pytest.raises(ValueError, match="there already"):
        Masks(sequences=12, length=4.0, seed=6).write(tmp_path / "set", Order())
    with pytest.raises(ValueError, match=r"write data\.sequences"):
        data.write(tmp_path / "other", Order(rows={"train": 5}))


@pytest.mark.parametrize(
    "wrong",
    [
        {"sequences": 1},
        {"length": 1.5},
        {"length": float("inf")},
        {"p": 0.0},
        {"p": float("nan")},
        {"pace": 0.0},
        {"pace": 21.0},
        {"test": 1.0},
        {"test": -0.1},
        {"seed": -1},
    ],
)
def test_what_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match="write "):
        Masks(**wrong)


def test_a_split_without_a_sequence_is_refused():
    with pytest.raises(ValueError, match="leaves none to test on"):
        Masks(sequences=3, test=0.1).open("test")
