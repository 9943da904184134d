"""Votes of the nearest rows for classes, found by a product in single precision and settled in double."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import torch

from kontrast.probes.rows import Rows, parts

if TYPE_CHECKING:
    from numpy.typing import NDArray

Distance = Literal["cosine", "euclidean"]
SINGLE, DOUBLE, CELLS = 2**24, 2**22, 2**20
"""Similarities that are held at once in single and in double precision, and votes."""
BLOCKS, ROWS = 16, 8
"""Parts of the voters of which the largest similarities are taken before any are sorted; queries that fit the cache."""
TIE = 1e-10
PLACES = (1, 5)
LOWEST = -1e300


@dataclass(frozen=True)
class Voters:
    """Training rows with their class numbers `target` [n] of `classes` classes.

    Row j is as similar to a query x as s_j = <x, row_j> - `offset_j`: for rows of length 1 and offset 0 the cosine, for
    offset |row_j|^2 / 2 it is (|x|^2 - |x - row_j|^2) / 2, the larger the nearer. `longest` bounds |row_j|.
    """

    rows: Rows
    offset: NDArray[np.float64]
    longest: float
    target: NDArray[np.int64]
    classes: int

    def single(self) -> torch.Tensor:
        """The rows in single precision, followed by a column of -offset where there are offsets."""
        n, d = self.rows.values.shape
        made = torch.empty(n, d + bool(self.offset.any()))
        for part in parts(n):
            made[part, :d] = torch.from_numpy(self.rows.at(part))
        made[:, d:] = torch.from_numpy(-self.offset)[:, None]
        return made

    def exact(self, x: NDArray[np.float64], among: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
        """The similarities [q, m] of queries x [q, d] to these rows, or to all."""
        if among is not None:
            found: NDArray[np.float64] = x @ self.rows.at(among).T - self.offset[among]
            return found
        found = np.empty((len(x), len(self.target)))
        for part in parts(len(self.target)):
            found[:, part] = x @ self.rows.at(part).T - self.offset[part]
        return found

    def slack(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """How far apart [q] two similarities of a query x [q, d] must be in single precision, to be in that order.

        Errors add up as the root of how many there are (Higham and Mary 2019), times a factor that makes sure of it.
        """
        size = np.sqrt(np.einsum("qd,qd->q", x, x)) * self.longest + np.abs(self.offset).max()
        found: NDArray[np.float64] = 4 * np.sqrt(x.shape[1] + 4) * np.finfo(np.float32).eps * size
        return found


class Ballot(NamedTuple):
    """How votes are counted: each pair of `ks` and `temperatures` is one count."""

    ks: tuple[int, ...]
    temperatures: tuple[float, ...]


def placed(
    voters: Voters,
    queries: Rows,
    own: NDArray[np.int64],
    ballot: Ballot,
    left_out: NDArray[np.int64] | None = None,
) -> NDArray[np.bool_]:
    """Whether the class number `own` of each of q queries has most votes, and is among the five with most.

    For each k and each temperature, bool [ks, temperatures, 2, q]. Query i is a voter itself, and does not vote, where
    `left_out` [q] has its number among them. A class without votes has no place; of equal votes the lowest class number
    comes first; voters as similar as the k-th, to within 1e-10, vote too.

    Votes are counted in single precision, and counted again in double where rounding may have changed these answers.
    Besides a copy of the rows in single precision this takes 300 MB at the most.
    """
    n, most = len(voters.target), max(ballot.ks)
    found = np.zeros((len(ballot.ks), len(ballot.temperatures), len(PLACES), len(own)), bool)
    rows, step = voters.single(), max(1, min(SINGLE // n, CELLS // (_most(most) + voters.classes)))
    held, crowded = torch.empty(min(step, len(own)), n), []
    for start in range(0, len(own), step):
        part = np.arange(start, min(start + step, len(own)))
        x = queries.at(part)
        similarity, slack = _product(x, rows, held[: len(x)]), voters.slack(x)
        _leave_out(similarity, left_out, part)
        voter, near, known = _nearest(similarity, most, slack)
        found[..., part], sure = _count(near, voters.target[voter], own[part], slack, voters.classes, ballot)
        for i in np.flatnonzero(known & ~sure):
            among = voter[i, near[i] > LOWEST]
            exact, cast = voters.exact(x[[i]], among), voters.target[among][None]
            found[..., part[[i]]] = _settle(exact, cast, own[part[[i]]], voters.classes, ballot)
        crowded.append(part[~known])
    later = np.concatenate(crowded)
    for part in np.array_split(later, -(-len(later) * n // DOUBLE) or 1):
        whole = voters.exact(queries.at(part))
        _leave_out(whole, left_out, part)
        cast = np.broadcast_to(voters.target, whole.shape)
        found[..., part] = _settle(whole, cast, own[part], voters.classes, ballot)
    return found


def _leave_out(
    similarity: NDArray[np.floating[Any]], left_out: NDArray[np.int64] | None, part: NDArray[np.int64]
) -> None:
    if left_out is not None:
        similarity[np.arange(len(part)), left_out[part]] = -np.inf


def _settle(
    similarity: NDArray[np.float64],
    cast: NDArray[np.int64],
    own: NDArray[np.int64],
    classes: int,
    ballot: Ballot,
) -> NDArray[np.bool_]:
    """The answers [ks, temperatures, 2, q] for exact similarities [q, m] to voters of the classes `cast`."""
    found = np.zeros((len(ballot.ks), len(ballot.temperatures), len(PLACES), len(own)), bool)
    lower, nearest = np.arange(classes) < own[:, None], similarity.max(1)
    for i, k in enumerate(ballot.ks):
        last = np.partition(similarity, -k, axis=1)[:, -k]
        row, voter = np.nonzero(similarity >= last[:, None] - TIE)
        # Relative to the nearest one, so that no temperature overflows; a row's factor changes no order.
        near, cell = similarity[row, voter] - nearest[row], row * classes + cast[row, voter]
        for j, temperature in enumerate(ballot.temperatures):
            votes = _sums(cell, np.exp(near / temperature), len(own), classes)
            mine = _of(votes, own)
            before = (votes > mine / (1 - TIE)).sum(1)
            equal = (votes >= mine * (1 - TIE)) & (votes <= mine / (1 - TIE)) & lower
            for at, place in enumerate(PLACES):
                found[i, j, at] = (mine[:, 0] > 0) & (before + equal.sum(1) < place)
    return found


def _product(x: NDArray[np.float64], rows: torch.Tensor, out: torch.Tensor) -> NDArray[np.float32]:
    """The similarities [q, n] of queries x [q, d] in single precision, written to `out`."""
    single = torch.ones(len(x), rows.shape[1])
    single[:, : x.shape[1]] = torch.from_numpy(x)
    if torch.get_float32_matmul_precision() == "highest":
        return torch.mm(single, rows.T, out=out).numpy()
    np.matmul(single.numpy(), rows.numpy().T, out=out.numpy())  # torch may round to bfloat16 here
    return out.numpy()


def _nearest(
    similarity: NDArray[np.float32], k: int, slack: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
    """All voters no more than `slack` [q] below the k-th nearest, with some others: numbers and similarities [q, m].

    Rows are filled up with voter 0 at -1e300. The third, [q], is False where too many voters are that near.
    """
    q, n = similarity.shape
    index = np.concatenate(
        [at * n + _above(similarity[at : at + ROWS], k, slack[at : at + ROWS]) for at in range(0, q, ROWS)]
    )
    row = index // n
    size = np.bincount(row, minlength=q)
    known = size <= _most(k)
    if not known.all():
        keep = known[row]
        index, row, size = index[keep], row[keep], np.where(known, size, 0)
    column = np.arange(len(row)) - np.repeat(np.cumsum(size) - size, size)
    shape = (q, max(int(size.max()), k))
    voter, near = np.zeros(shape, np.int64), np.full(shape, LOWEST)
    voter[row, column], near[row, column] = index - row * n, similarity.ravel()[index]
    return voter, near, known


def _above(similarity: NDArray[np.float32], k: int, slack: NDArray[np.float64]) -> NDArray[np.int64]:
    """Where the flattened similarities [q, n] are at least those of the k-th nearest, less `slack` [q], or nearly so.

    The k-th largest of the maxima of blocks is no larger than the k-th largest of all, for k blocks have a maximum that
    large; so what is below it need not be sorted.
    """
    n = similarity.shape[1]
    width = -(-n // max(1, min(BLOCKS, n // (4 * k))))
    maxima = similarity[:, :width].copy()
    for start in range(width, n, width):
        block = similarity[:, start : start + width]
        np.maximum(maxima[:, : block.shape[1]], block, out=maxima[:, : block.shape[1]])
    limit = (np.partition(maxima, -k, axis=1)[:, -k] - slack).astype(np.float32)
    return np.flatnonzero(similarity >= limit[:, None])


def _most(k: int) -> int:
    """How many voters near the k-th are looked at in single precision; more than that are as good as tied."""
    return 4 * k + 64


def _count(
    near: NDArray[np.float64],
    cast: NDArray[np.int64],
    own: NDArray[np.int64],
    slack: NDArray[np.float64],
    classes: int,
    ballot: Ballot,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The answers for rounded similarities `near` [q, m] to voters of the classes `cast`; which rows [q] are sure.

    Two similarities closer than `slack` [q] may be in the other order. What that and rounding can move from one class
    to another is the swing of the votes, and an answer stands if no swing changes it.
    """
    found = np.zeros((len(ballot.ks), len(ballot.temperatures), len(PLACES), len(own)), bool)
    sure, nearest, slack = np.ones(len(own), bool), near.max(1, keepdims=True), slack[:, None]
    cell = np.arange(len(own))[:, None] * classes + cast
    for i, k in enumerate(ballot.ks):
        last = np.partition(near, -k, axis=1)[:, -k, None]
        inside, within = near >= last, near >= last - slack
        edge = within & (near <= last + slack) & (within.sum(1, keepdims=True) > k)
        for j, temperature in enumerate(ballot.temperatures):
            with np.errstate(over="ignore", invalid="ignore"):
                weight = np.where(within, np.exp((near - nearest) / temperature), 0)
                strayed = np.expm1(slack / temperature)
            votes = _sums(cell[inside], weight[inside], len(own), classes)
            moved, mine = np.where(edge, weight, 0).sum(1, keepdims=True), _of(votes, own)
            with np.errstate(invalid="ignore"):
                swing = np.nan_to_num(moved * (1 + strayed) + strayed * votes.max(1, keepdims=True), nan=np.inf)
            ahead, level = (votes > mine + swing).sum(1), (votes >= mine - swing).sum(1) - 1
            none = ((mine == 0) & (moved == 0))[:, 0]
            for at, place in enumerate(PLACES):
                found[i, j, at] = (mine > swing)[:, 0] & (level < place)
                sure &= found[i, j, at] | none | (ahead >= place)
    return found, sure


def _sums(cell: NDArray[np.int64], weight: NDArray[np.float64], queries: int, classes: int) -> NDArray[np.float64]:
    """The votes [q, K]: the sums of the weights at the cells q K + class."""
    found = np.bincount(cell, weight, queries * classes).reshape(queries, classes)
    return found.astype(np.float64, copy=False)


def _of(votes: NDArray[np.float64], own: NDArray[np.int64]) -> NDArray[np.float64]:
    """The votes [q, 1] for each query's own class; 0 for a class without voters, number -1."""
    found = np.take_along_axis(votes, np.maximum(own, 0)[:, None], 1)
    return np.where(own[:, None] < 0, 0, found)
