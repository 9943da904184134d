"""Rotations: the orthogonal map that takes features nearest to factors, and lengths and angles."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROUND = 1e-3
"""Relative difference up to which lengths count as equal."""
FLAT = 1e-12
"""Directions of features of less variance than this share of the largest are not told from rounding."""
NEAR = 1e-9
"""Differences of R^2 below this are not told from rounding."""


class Rotation(NamedTuple):
    """z ~ scale (h - origin) turn + center, with `turn` [m, k] of orthonormal columns (rows, if m < k)."""

    turn: NDArray[np.float64]
    scale: float
    origin: NDArray[np.float64]
    center: NDArray[np.float64]

    def __call__(self, h: NDArray[np.float64]) -> NDArray[np.float64]:
        """The factors [n, k] that features [n, m] are turned to."""
        turned: NDArray[np.float64] = self.scale * ((h - self.origin) @ self.turn) + self.center
        return turned


def rotation(z: NDArray[np.float64], h: NDArray[np.float64], centered: bool = True) -> Rotation:
    """The rotation and common scale that take features h [n, m] nearest to factors z [n, k].

    For m <= k it is the least-squares one, by orthogonal Procrustes. For m > k, R = B Q: least squares over rotations
    Q [k, k] within k directions B of the features, B'B = I, which are the span of h'z or that of the least-squares map
    from h to z. The first follows features of much variance, the second avoids them where they hold no factor and needs
    more rows, so each is fitted on half of the rows, and that which is nearer on the others is taken.

    Least squares over all R'R = I would say nothing for m >= 2 k: with the scale it reaches each full-rank linear code
    of z without error, whatever its singular values, by columns that end in directions in which features do not vary.
    """
    origin = h.mean(0) if centered else np.zeros(h.shape[1])
    center = z.mean(0) if centered else np.zeros(z.shape[1])
    z, h = z - center, h - origin
    turn, scale = _turn(z, h, _frame(z, h)) if h.shape[1] > z.shape[1] else _turn(z, h)
    return Rotation(turn, scale, origin, center)


def _turn(
    z: NDArray[np.float64], h: NDArray[np.float64], frame: NDArray[np.float64] | None = None
) -> tuple[NDArray[np.float64], float]:
    """R and c of least |c h R - z|^2, with R in the span of a frame [m, k] of orthonormal columns, if there is one."""
    cross = h.T @ z / len(z)
    left, _, right = np.linalg.svd(cross if frame is None else frame.T @ cross, full_matrices=False)
    turn: NDArray[np.float64] = left @ right if frame is None else frame @ left @ right
    turned = h @ turn
    size = float(np.square(turned).sum())
    return turn, float((turned * z).sum()) / size if size else 0.0


def _frame(z: NDArray[np.float64], h: NDArray[np.float64]) -> NDArray[np.float64]:
    """The k directions [m, k] of features that are rotated, of two choices the better on half of the rows."""
    order = np.random.default_rng(0).permutation(len(z))
    fitted, left = order[: len(z) // 2], order[len(z) // 2 :]
    if not len(fitted):
        return _frames(z, h)[0]
    errors = []
    for frame in _frames(z[fitted], h[fitted]):
        turn, scale = _turn(z[fitted], h[fitted], frame)
        errors.append(float(np.square(scale * h[left] @ turn - z[left]).sum()))
    # Rounding does not choose.
    better = errors[1] < errors[0] - NEAR * float(np.square(z[left]).sum())
    return _frames(z, h)[int(better)]


def _frames(z: NDArray[np.float64], h: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Orthonormal bases [m, k] of the span of h'z, and of the least-squares map from h to z, of least norm."""
    cross = h.T @ z / len(z)
    slope = np.linalg.pinv(h.T @ h / len(h), rcond=FLAT, hermitian=True) @ cross
    return [np.linalg.svd(each, full_matrices=False)[0] for each in (cross, slope)]


def on_sphere(z: NDArray[np.float64]) -> bool:
    """Whether all rows [n, k] of two dimensions or more have one length."""
    length = np.linalg.norm(z, axis=1)
    return z.shape[1] > 1 and bool(np.ptp(length) <= ROUND * length.max())


def cosines(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """The cosine [n] of the angle between rows of two arrays [n, k]; 0 where one is 0."""
    size = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    found: NDArray[np.float64] = (a * b).sum(1) / np.where(size > 0, size, np.inf)
    return found


def affine(z: NDArray[np.float64], h: NDArray[np.float64]) -> NDArray[np.float64]:
    """A [m, k] of the least-squares map h ~ A z + b; of least norm where factors depend on each other."""
    centered = z - z.mean(0)
    found: NDArray[np.float64] = np.linalg.pinv(centered.T @ centered, hermitian=True) @ centered.T @ (h - h.mean(0))
    return found.T
