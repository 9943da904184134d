import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kontrast.datasets.splits import divided


@settings(max_examples=40, deadline=None)
@given(count=st.integers(0, 60), test=st.floats(0, 0.99), seed=st.integers(0, 3))
def test_both_splits_together_are_all_rows(count: int, test: float, seed: int) -> None:
    found = divided(count, test, seed)
    assert sorted([*found["train"].tolist(), *found["test"].tolist()]) == list(range(count))
    assert abs(len(found["test"]) - test * count) <= 1
    for rows in found.values():
        assert rows.dtype == torch.int64
        assert torch.equal(rows, rows.sort().values)
    again = divided(count, test, seed)
    assert all(torch.equal(found[split], again[split]) for split in ("train", "test"))


def test_the_share_is_exact_and_the_seed_matters() -> None:
    assert len(divided(100, 0.29, 0)["test"]) == 29
    assert len(divided(737_280, 0.1, 0)["test"]) == 73_728
    assert not torch.equal(divided(100, 0.3, 0)["test"], divided(100, 0.3, 1)["test"])
    # Golden: runs of today and of later versions see the same rows.
    assert divided(10, 0.3, 0)["test"].tolist() == [0, 4, 6]


@settings(max_examples=60, deadline=None)
@given(
    same=st.lists(st.integers(0, 12), min_size=1, max_size=40),
    test=st.floats(0, 0.9),
    seed=st.integers(0, 5),
)
def test_rows_that_are_the_same_stay_together(same: list[int], test: float, seed: int) -> None:
    found = divided(len(same), test, seed, torch.tensor(same))
    sides = [{same[row] for row in found[split].tolist()} for split in ("train", "test")]
    assert not sides[0] & sides[1]
    assert sorted([*found["train"].tolist(), *found["test"].tolist()]) == list(range(len(same)))
    assert len(found["test"]) <= test * len(same) + 1e-6


def test_pairs_and_single_rows_fill_the_share() -> None:
    """Of 40 rows two are the same as others, as of the angles of dSprites."""
    same = torch.arange(400) // 40 * 40 + torch.where(torch.arange(400) % 40 == 39, 0, torch.arange(400) % 40)
    for seed in range(20):
        assert len(divided(400, 0.1, seed, same)["test"]) == 40


def test_twins_are_for_testing_as_often_as_single_rows() -> None:
    """600 single rows and 300 pairs: each is taken in a tenth of 400 draws."""
    same = torch.cat([torch.arange(600), 600 + torch.arange(300), 600 + torch.arange(300)])
    taken = torch.zeros(1200)
    for seed in range(400):
        rows = divided(1200, 0.1, seed, same)["test"]
        assert len(rows) == 120
        taken[rows] += 1
    # Standard errors are below 0.001; in the order of the earlier of their two places, pairs have 0.12.
    assert float(taken[600:].mean() / 400) == pytest.approx(0.1, abs=0.005)
    assert torch.equal(taken[600:900], taken[900:])


@pytest.mark.parametrize(("test", "seed", "fault"), [(1.0, 0, "write test=0.1"), (-0.1, 0, "0.1"), (0.1, -1, "seed=0")])
def test_what_is_no_share_or_seed_is_refused(test: float, seed: int, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        divided(10, test, seed)
