"""Maps: test rows in the plane, and how much of their neighborhoods is left there."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Literal

import chz
import numpy as np

from kontrast.panels import Points
from kontrast.parts import choose
from kontrast.probes.bootstrap import interval, resampled
from kontrast.probes.probe import Layer, Probe, Scores, check_splits, check_values
from kontrast.views import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

METHODS = {"pca": "Principal components", "tsne": "t-SNE", "umap": "UMAP"}
LEAST = 4


@chz.chz
class Map(Probe):
    """Features of test rows in the plane, colored by class or by a factor, and what the map keeps of their neighbors.

    `method` is "tsne" (van der Maaten and Hinton 2008), "umap" (McInnes et al. 2018, arXiv 1802.03426; it needs
    pip install 'kontrast[umap]') or "pca". With U_i the rows among the k nearest to i on the map that are not among
    the k nearest by features, and r(i, j) the rank of j by features,

        trustworthiness = 1 - 2 / (n k (2 n - 3 k - 1)) sum_i sum_{j in U_i} (r(i, j) - k)

    (Venna and Kaski 2001; scikit-learn): 1 where nothing is near on the map that is not near by features. "kept" is
    the share of the k nearest by features that are among the k nearest on the map, with its interval over rows; chance
    is k / (n - 1). Distances are Euclidean. They are of the map, hence of the test rows alone; it is drawn of `rows` of
    them, drawn from `seed`. A map shows neighborhoods: its distances, sizes and empty places mean nothing.

    Where all rows are one point both values are 1, with a warning. ValueError for features that are not finite, for
    fewer than four rows, and for a factor that there is none of.
    """

    layer: Layer = chz.field(default="feature", doc="feature (before the head) or embedding (in the space)")
    method: Literal["tsne", "umap", "pca"] = chz.field(default="tsne", doc="how the map is made: tsne, umap or pca")
    neighbors: int = chz.field(default=30, doc="perplexity of t-SNE, neighbors of UMAP; fewer where rows are few")
    k: int = chz.field(default=10, doc="neighbors that the map should keep; fewer where rows are few")
    rows: int = chz.field(default=1000, doc="test rows on the map")
    color: str = chz.field(default="", doc="factor to color by, or label; empty: label, or else the first factor")
    seed: int = chz.field(default=0, doc="what the rows and the start of the map are drawn from")

    @chz.validate
    def _ranges(self) -> None:
        choose(self.method, METHODS, "method of Map")
        if self.rows < LEAST or self.k < 1 or self.neighbors < 2:
            raise ValueError(
                f"a Map needs rows from {LEAST}, k from 1 and neighbors from 2, not rows={self.rows} k={self.k} "
                f"neighbors={self.neighbors}; write rows=1000 k=10 neighbors=30"
            )

    def check(self, features: Features) -> None:
        check_values(features)
        if len(features) < LEAST:
            raise ValueError(f"a map of {len(features)} rows shows nothing; encode {LEAST} or more")
        names = [factor.name for factor in features.factors] + (["label"] if features.labels is not None else [])
        if self.color and self.color not in names:
            raise ValueError(f"there is no {self.color!r} to color by; choose one of {', '.join(names) or 'none'}")

    def __call__(self, train: Features, test: Features) -> Scores:
        check_splits(self, train, test)
        rng = np.random.default_rng(self.seed)
        kept = np.sort(rng.permutation(len(test))[: self.rows])
        x = test.values[kept].astype(np.float64)
        n = len(x)
        k = min(self.k, (n - 1) // 2)
        same = not np.ptp(x, axis=0).any()
        points = np.zeros((n, 2)) if same else self._place(x)
        trust, share = (1.0, np.ones(n)) if same else _kept(x, points, k)
        wide = min(self.neighbors, (n - 1) // 3) if self.method == "tsne" else min(self.neighbors, n - 1)
        detail = {"tsne": f" of perplexity {wide}", "umap": f" of {wide} neighbors", "pca": ""}[self.method]
        protocol = f"{METHODS[self.method]}{detail}, {n:,} test rows, {k} nearest neighbors, seed {self.seed}"
        values = {"trustworthiness": trust, "kept": float(share.mean())}
        return Scores(
            values,
            protocol,
            interval={"kept": interval(resampled(share[:, None])[:, 0])},
            warnings={"": "all rows are one point, so that there is nothing to keep"} if same else {},
            panels=(self._panel(points, test, kept),),
        )

    def _place(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """The rows in the plane [n, 2], features centered and divided by their largest deviation."""
        x = (x - x.mean(0)) / x.std(0).max()
        start = _components(x)
        if self.method == "pca":
            return start
        start = start / (start[:, 0].std() or 1.0)
        if self.method == "umap":
            return _umap(x, start, min(self.neighbors, len(x) - 1), self.seed)
        from sklearn.manifold import TSNE

        perplexity = max(1.0, min(self.neighbors, (len(x) - 1) // 3))
        made = TSNE(2, perplexity=perplexity, init=1e-4 * start, random_state=self.seed, n_jobs=1).fit_transform(x)
        return np.asarray(made, dtype=np.float64)

    def _panel(self, points: NDArray[np.float64], test: Features, kept: NDArray[np.int64]) -> Points:
        of = self.color or ("label" if test.labels is not None else next((f.name for f in test.factors), ""))
        place = tuple(points[:, 0].tolist()), tuple(points[:, 1].tolist())
        title = f"{METHODS[self.method]} of the {self.layer}"
        if of == "label" and test.labels is not None:
            labels = test.labels[kept]
            names = test.classes or tuple(map(str, range(int(labels.max(initial=0)) + 1)))
            return Points(title, *place, tuple(labels.tolist()), names, "class")
        at = next((i for i, factor in enumerate(test.factors) if factor.name == of), None)
        if at is None or test.latents is None:
            return Points(title, *place)
        factor, column = test.factors[at], tuple(test.latents[kept, at].astype(float).tolist())
        names = tuple(map(str, range(factor.size or 0))) if factor.kind == "discrete" else ()
        return Points(title, *place, column, names, of, note=f"Colored by {of}.")


def _components(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The two principal components [n, 2] of centered rows; the second is 0 where there is one dimension."""
    u, s, _ = np.linalg.svd(x, full_matrices=False)
    points = np.zeros((len(x), 2))
    found = (u * s)[:, :2]
    # The sign of a singular vector is arbitrary: the largest coordinate is made positive.
    signs = np.sign(found[np.abs(found).argmax(0), range(found.shape[1])])
    points[:, : found.shape[1]] = found * np.where(signs == 0, 1, signs)
    return points


def _umap(x: NDArray[np.float64], start: NDArray[np.float64], neighbors: int, seed: int) -> NDArray[np.float64]:
    try:
        from umap import UMAP
    except ImportError:
        raise ValueError("UMAP is not installed; pip install 'kontrast[umap]', or write method=tsne") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = UMAP(n_neighbors=neighbors, init=10 * start, random_state=seed, n_jobs=1).fit_transform(x)
    return np.asarray(made, dtype=np.float64)


def _kept(x: NDArray[np.float64], points: NDArray[np.float64], k: int) -> tuple[float, NDArray[np.float64]]:
    """Trustworthiness, and the share [n] of the k nearest rows of each that are among its k nearest on the map."""
    from sklearn.manifold import trustworthiness
    from sklearn.neighbors import NearestNeighbors

    near, drawn = (NearestNeighbors(n_neighbors=k).fit(each).kneighbors(return_distance=False) for each in (x, points))
    share = np.array([len(np.intersect1d(a, b)) / k for a, b in zip(near, drawn, strict=True)])
    return float(trustworthiness(x, points, n_neighbors=k)), share
