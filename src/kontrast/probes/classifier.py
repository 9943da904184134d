"""Multinomial logistic regression: a softmax classifier on fixed features, fitted to its optimum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

SINGLE = 1e-5
"""The gradient norm down to which single precision is asked to go."""
FIRST = 20
"""Steps after which the curvature is measured again, where the first ones have brought the weights."""
ROWS = 1024
"""Rows of one product: few enough that they are still in the cache when the gradient needs them."""
CURVED = 8
"""Rows for each dimension from which the curvature is measured."""
DAMPING = 1e-6
MEMORY, NUMBERS = 50, 2**24
"""Steps that L-BFGS remembers, or fewer where these would hold more numbers."""


class Classifier(NamedTuple):
    """A softmax classifier p(c | x) ~ exp(<weight_c, x> + bias_c), and how its fit ended.

    `weight` [K, d], `bias` [K], `classes` int64 [K] the label of each row; `steps` of L-BFGS were taken, and `gradient`
    is the Euclidean norm of the gradient of the objective where they ended.
    """

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]
    classes: NDArray[np.int64]
    steps: int
    gradient: float

    def logits(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        """<weight_c, x> + bias_c for rows x [n, d], float64 [n, K]."""
        found: NDArray[np.float64] = x @ self.weight.T + self.bias
        return found


def classify(
    x: NDArray[np.floating[Any]], y: NDArray[np.int64], penalty: float, steps: int, tolerance: float = 1e-5
) -> Classifier:
    """The minimum of J(W, b) = mean_i -log softmax(W x_i + b)[y_i] + penalty |W|_F^2 for x [n, d] and labels y [n].

    It is looked for in the features (x - mean) / s with one common scale s, where the same J, of weights s W and
    penalty / s^2, is better conditioned. The gradient is that of s W, so it does not depend on the unit of features.
    Converged means a gradient of norm `tolerance` at most, taken in double precision; the steps are in single
    precision where that suffices. They are steps of L-BFGS (Liu and Nocedal 1989) in coordinates in which the Hessian

        mean_i (1 - sum_c p_ic^2) / K x_i x_i' + 2 penalty / s^2,   p_i the probabilities of row i,

    which stands for that of every class, is the identity: at the start, and once more after the first steps. A
    ValueError if y has a single class.
    """
    classes, target = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ValueError("the training rows have only one class, and a linear probe learns to tell two or more apart")
    mean = x.mean(0, dtype=np.float64)
    rows, scale = _scaled(x, mean)
    double = _Objective(x, target, len(classes), mean, scale, penalty / scale**2)
    single = _Objective(x, target, len(classes), mean, scale, penalty / scale**2, rows)
    at, taken, norm = np.zeros((len(classes), x.shape[1] + 1)), 0, np.inf
    rough = max(tolerance, SINGLE)
    for most in (min(FIRST, steps), steps):
        if norm > rough:
            at, norm, more = _descend(single, at, most - taken, rough)
            taken += more
    norm = double(at).norm
    if norm > tolerance and taken < steps:
        at, norm, more = _descend(double, at, steps - taken, tolerance)
        taken += more
    weight = at[:, :-1] / scale
    return Classifier(weight, at[:, -1] - weight @ mean, classes, taken, norm)


def _scaled(x: NDArray[np.floating[Any]], mean: NDArray[np.float64]) -> tuple[Tensor, float]:
    """The rows (x - mean) / s in single precision, and the s that makes their mean square 1 (1 where it is 0)."""
    rows, square = torch.empty(x.shape, dtype=torch.float32), 0.0
    for part in _parts(len(x)):
        centered: NDArray[np.float64] = x[part] - mean
        square += float(np.vdot(centered, centered))
        rows[part] = torch.from_numpy(centered)
    scale = float(np.sqrt(square / x.size)) or 1.0
    return rows.div_(scale), scale


class _Value(NamedTuple):
    """J, its gradient [K, d + 1] with the bias last, and the norm of that."""

    loss: float
    gradient: NDArray[np.float64]
    norm: float


class _Objective:
    """J of weights and bias [K, d + 1] on the rows (x - mean) / scale: those given, or made anew as they are needed."""

    def __init__(
        self,
        x: NDArray[np.floating[Any]],
        target: NDArray[np.int64],
        classes: int,
        mean: NDArray[np.float64],
        scale: float,
        penalty: float,
        rows: Tensor | None = None,
    ) -> None:
        self.x, self.target, self.mean, self.scale = x, torch.from_numpy(target), mean, scale
        self.classes, self.penalty, self.rows = classes, penalty, rows

    def _row(self, part: slice) -> Tensor:
        if self.rows is not None:
            return self.rows[part]
        made = self.x[part] - self.mean
        made /= self.scale
        return torch.from_numpy(made)

    def __call__(self, at: NDArray[np.float64]) -> _Value:
        kind = torch.float64 if self.rows is None else self.rows.dtype
        weight, bias = torch.from_numpy(at[:, :-1]).to(kind), torch.from_numpy(at[:, -1].copy()).to(kind)
        gradient, loss = torch.zeros(at.shape, dtype=torch.float64), 0.0
        for part in _parts(len(self.x)):
            x, target = self._row(part), self.target[part, None]
            log_p = torch.addmm(bias, x, weight.T)
            log_p -= log_p.logsumexp(1, keepdim=True)
            own = log_p.gather(1, target)
            loss -= own.sum(dtype=torch.float64).item()
            error = log_p.exp_().scatter_add_(1, target, torch.full_like(own, -1))
            gradient[:, :-1] += error.T @ x
            gradient[:, -1] += error.sum(0)
        found = gradient.numpy() / len(self.x)
        found[:, :-1] += 2 * self.penalty * at[:, :-1]
        loss = loss / len(self.x) + self.penalty * float(np.square(at[:, :-1]).sum())
        return _Value(loss, found, float(np.linalg.norm(found)))

    def curvature(self, at: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """M [d, d] with M H M' = 1 for the Hessian H that stands for that of every class, and 1 / sqrt of the biases'.

        Both from every so many rows, enough for a covariance.
        """
        from scipy.linalg import cholesky, solve_triangular
        from scipy.special import softmax

        d = self.x.shape[1]
        every = max(1, len(self.x) // (CURVED * d))
        x = (self.x[::every] - self.mean) / self.scale
        p = softmax(x @ at[:, :-1].T + at[:, -1], axis=1)
        x *= np.sqrt((1 - np.square(p).sum(1)) / self.classes)[:, None]
        single = x.astype(np.float32)
        hessian = (single.T @ single / len(x)).astype(np.float64)
        hessian.flat[:: d + 1] += 2 * self.penalty + DAMPING * (np.trace(hessian) / d or 1.0)
        basis = solve_triangular(cholesky(hessian, lower=True), np.eye(d), lower=True)
        return basis, 1 / np.sqrt((p * (1 - p)).mean(0) + DAMPING)


def _descend(
    objective: _Objective, start: NDArray[np.float64], steps: int, tolerance: float
) -> tuple[NDArray[np.float64], float, int]:
    """Where at most so many steps of L-BFGS lead, until the gradient has norm `tolerance`; that norm, and the steps."""
    from scipy.optimize import minimize

    if steps < 1:
        return start, np.inf, 0
    basis, width = objective.curvature(start)
    last = np.inf

    def moved(v: NDArray[np.float64]) -> NDArray[np.float64]:
        by = v.reshape(start.shape)
        found: NDArray[np.float64] = start + np.concatenate([by[:, :-1] @ basis, (by[:, -1] * width)[:, None]], 1)
        return found

    def value(v: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        nonlocal last
        loss, gradient, last = objective(moved(v))
        return loss, np.concatenate([gradient[:, :-1] @ basis.T, (gradient[:, -1] * width)[:, None]], 1).ravel()

    def arrived(intermediate_result: Any) -> None:
        if last <= tolerance:
            raise StopIteration

    memory = int(np.clip(NUMBERS // start.size, 5, MEMORY))
    end = minimize(
        value,
        np.zeros(start.size),
        jac=True,
        method="L-BFGS-B",
        callback=arrived,
        options={"maxiter": steps, "maxfun": 20 * steps + 100, "ftol": 0.0, "gtol": 0.0, "maxcor": memory},
    )
    return moved(end.x), last, int(end.nit)


def _parts(rows: int) -> list[slice]:
    return [slice(start, start + ROWS) for start in range(0, rows, ROWS)]
