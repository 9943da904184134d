"""The search for nearest rows, beside brute force."""

import weakref

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kontrast.datasets import Digits, Nearest, nearest

from formats_pairs import _Crossed, _Points


def brute(points, queries, unit, period, exact, count, without):
    """Every distance of every pair, in the plainest way."""
    rows, distance = np.full((len(queries), count), -1), np.full((len(queries), count), np.inf)
    for i, query in enumerate(queries.double().numpy()):
        found = []
        for j, point in enumerate(points.double().numpy()):
            if j == without[i] or any(query[k] != point[k] for k in exact):
                continue
            total = 0.0
            for k in range(len(point)):
                if k not in exact:
                    away = abs(query[k] - point[k])
                    if period[k]:
                        away = min(away % period[k], period[k] - away % period[k])
                    total += (away / unit[k]) ** 2
            found.append((total**0.5, j))
        for place, (far, j) in enumerate(sorted(found)[:count]):
            rows[i, place], distance[i, place] = j, far
    return rows, distance


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(1, 4), st.sampled_from([(), (3,), (0, 3), (0, 1, 2, 3)]), st.booleans())
def test_neighbors_are_those_of_brute_force(seed, count, exact, leaving):
    draw = torch.Generator().manual_seed(seed)
    points = torch.rand(40, 4, generator=draw) * 6 - 1
    points[:, 3] = points[:, 3].floor()
    points[:, 0] = points[:, 0].round()
    rows = torch.randint(40, (15,), generator=draw)
    queries = points[rows]
    queries[:, 1:3] += torch.randn(15, 2, generator=draw)
    unit, period = (2.0, 1.0, 3.0, 5.0), (0.0, 0.0, 6.0, 0.0)
    without = rows if leaving else None
    found = Nearest(points, unit, period, exact)(queries, count, without)
    further = brute(points, queries, unit, period, exact, count + 1, rows if leaving else [-1] * 15)
    expected = [each[:, :count] for each in further]
    # Rows at equal distance may come in any order.
    np.testing.assert_allclose(found.distance.numpy(), expected[1], rtol=1e-9, atol=1e-12)
    assert ((found.rows.numpy() >= 0) == (expected[0] >= 0)).all()
    if len(exact) < 4:
        ties = np.diff(np.nan_to_num(further[1], posinf=1e9), axis=1) < 1e-9
        assert (found.rows.numpy() == expected[0])[~ties.any(1)].all()
    if leaving:
        assert not (found.rows == rows[:, None]).any()


@pytest.mark.parametrize("query", [5.9, -0.1, 11.9, 6.0, -1e-20])
def test_angles_go_around(query):
    points = torch.tensor([[3.0], [0.05], [5.0]])
    found = Nearest(points, [1.0], [6.0])(torch.tensor([[query]], dtype=torch.float64))
    assert found.rows.tolist() == [[1]]
    away = abs(query - 0.05) % 6
    assert found.distance.item() == pytest.approx(min(away, 6 - away), abs=1e-6)


def test_a_row_that_is_left_out_gives_way_even_to_its_double():
    points = torch.tensor([[0.0], [0.0], [0.0], [5.0]])
    for row in range(3):
        found = Nearest(points, [1.0])(points[:1], 1, torch.tensor([row]))
        assert found.rows.item() in {0, 1, 2} - {row}
        assert found.distance.item() == 0
    alone = Nearest(points[:1], [1.0])(points[:1], 1, torch.tensor([0]))
    assert alone.rows.item() == -1
    assert alone.hit.item()


def test_a_table_is_searched_by_its_factors_and_once():
    table = _Points().open("train")
    search = nearest(table)
    assert nearest(table) is search
    assert nearest(table.among(torch.arange(5))) is search
    assert nearest(_Points().open("train")) is not search
    z = table.latents[:50].clone()
    z[:, :3] += torch.randn(50, 3, generator=torch.Generator().manual_seed(0)) * 0.3
    expected = brute(table.latents, z, (2, 2, 6, 1), (0, 0, 6, 0), (3,), 1, range(50))[0]
    assert np.array_equal(search(z, 1, torch.arange(50)).rows.numpy(), expected)
    assert (table.latents[search(z).rows[:, 0], 3] == z[:, 3]).all()


def test_what_was_made_for_a_table_goes_with_it():
    table = _Crossed().open("train")
    search = weakref.ref(nearest(table))
    gone = weakref.ref(table)
    del table
    assert gone() is None
    assert search() is None


def test_latents_that_cannot_be_searched_are_refused():
    with pytest.raises(ValueError, match="not finite numbers"):
        Nearest(torch.tensor([[0.0], [float("nan")]]), [1.0])
    with pytest.raises(ValueError, match="not finite numbers"):
        Nearest(torch.zeros(2, 1), [1.0])(torch.tensor([[float("inf")]]))
    with pytest.raises(ValueError, match="Digits does not know its latents"):
        nearest(Digits().open("train"))
