"""Maps, and what they keep."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness

from kontrast.panels import Points
from kontrast.probes import Map
from kontrast.views import Factor, Features


def clusters(n: int = 150, d: int = 10, seed: int = 0) -> Features:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    values = 8 * np.random.default_rng(7).normal(size=(3, d))[y] + rng.normal(size=(n, d))
    factors = (Factor("size"), Factor("kind", "discrete", size=3))
    latents = np.stack([rng.random(n), y], 1)
    return Features(values, y.astype(np.int64), latents, ("a", "b", "c"), factors)


TRAIN, TEST = clusters(seed=1), clusters()


def place(probe: Map, test: Features = TEST) -> np.ndarray:
    (panel,) = probe(TRAIN, test).panels
    assert isinstance(panel, Points)
    return np.array([panel.x, panel.y]).T


@pytest.mark.parametrize("method", ["tsne", pytest.param("umap", marks=pytest.mark.slow), "pca"])
def test_clusters_stay_apart(method):
    if method == "umap":
        pytest.importorskip("umap", exc_type=ImportError)
    probe = Map(method=method)
    points = place(probe)
    centers = np.array([points[TEST.labels == c].mean(0) for c in range(3)])
    nearest = np.linalg.norm(points[:, None] - centers, axis=2).argmin(1)
    assert (nearest == TEST.labels).mean() > 0.95
    np.testing.assert_array_equal(place(probe), points)


def test_principal_components_are_those_of_scikit_learn():
    found, expected = place(Map(method="pca")), PCA(2).fit_transform(TEST.values)
    for column in range(2):
        assert abs(np.corrcoef(found[:, column], expected[:, column])[0, 1]) == pytest.approx(1, abs=1e-10)


def test_the_scores_are_what_their_equations_say():
    found, points = Map(method="pca", k=7)(TRAIN, TEST), place(Map(method="pca"))
    assert found.values["trustworthiness"] == pytest.approx(trustworthiness(TEST.values, points, n_neighbors=7))
    kept = []
    for i in range(len(points)):
        near = [set(np.argsort(np.linalg.norm(x - x[i], axis=1))[1:8]) for x in (TEST.values, points)]
        kept.append(len(near[0] & near[1]) / 7)
    assert found.values["kept"] == pytest.approx(np.mean(kept))
    low, high = found.interval["kept"]
    assert low < np.mean(kept) < high


def test_a_plane_is_kept_whole_by_its_components():
    rng = np.random.default_rng(0)
    plane = rng.normal(size=(100, 2)) @ np.linalg.qr(rng.normal(size=(8, 8)))[0][:2]
    found = Map(method="pca")(TRAIN, Features(np.pad(plane, ((0, 0), (0, 2))))) if plane.shape[1] < 8 else None
    found = found or Map(method="pca")(Features(rng.normal(size=(9, 8))), Features(plane))
    assert found.values == {"trustworthiness": 1.0, "kept": 1.0}


def test_rows_are_drawn_from_the_seed():
    some = [Map(method="pca", rows=40, seed=seed)(TRAIN, TEST).panels[0] for seed in (0, 0, 1)]
    assert len(some[0].x) == 40
    assert some[0] == some[1] != some[2]


def test_colors_are_classes_or_factors():
    def shown(test: Features = TEST, **options) -> Points:
        return Map(method="pca", **options)(TRAIN, test).panels[0]

    assert (shown().names, shown().colored_by) == (("a", "b", "c"), "class")
    unlabeled = replace(TEST, labels=None)
    assert (shown(unlabeled).names, shown(unlabeled).colored_by) == ((), "size")
    assert shown(color="kind").names == ("0", "1", "2")
    bare = replace(TEST, labels=None, latents=None, factors=())
    assert Map(method="pca")(replace(TRAIN, factors=()), bare).panels[0].color == ()
    with pytest.raises(ValueError, match="choose one of size, kind, label"):
        shown(color="weight")


def test_one_point_and_few_rows():
    still = Map()(TRAIN, replace(TEST, values=np.full((150, 10), 0.1)))
    assert still.values == {"trustworthiness": 1.0, "kept": 1.0}
    assert "one point" in still.warnings[""]
    few = Features(np.random.default_rng(0).normal(size=(5, 10)))
    assert Map()(Features(np.ones((5, 10))), few).values["trustworthiness"] <= 1
    with pytest.raises(ValueError, match="a map of 3 rows"):
        Map().check(Features(np.ones((3, 2))))


def test_umap_that_is_not_installed_is_said_in_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(ValueError, match=r"pip install 'kontrast\[umap\]'"):
        Map(method="umap")(TRAIN, TEST)


@pytest.mark.parametrize("options", [{"method": "mds"}, {"rows": 3}, {"k": 0}, {"neighbors": 1}])
def test_bad_options_are_refused(options):
    with pytest.raises(ValueError, match=r"write rows=1000|method"):
        Map(**options)
