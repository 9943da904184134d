"""What a search found: settings, ranked, and how well the ranking without labels agrees with what is known."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

UNLABELED = "udr"
"""The ranking that asks for no truth."""


@dataclass(frozen=True)
class Setting:
    """What came of one setting: `scores` are means over seeds, `spread` their standard deviations, by name.

    `udr` is None where fewer than two seeds came to an end; `failed` says why others did not, by seed. `path` is the
    folder of its runs below that of the search.
    """

    number: int
    words: dict[str, str]
    udr: float | None
    scores: dict[str, float]
    spread: dict[str, float]
    seeds: tuple[int, ...]
    failed: dict[int, str] = field(default_factory=dict)
    path: str = ""

    def value(self, name: str) -> float | None:
        """The UDR, or a score."""
        return self.udr if name == UNLABELED else self.scores.get(name)


@dataclass(frozen=True)
class Search:
    """Settings, the best first by `select`, and how they were ranked."""

    out: Path
    select: str
    settings: tuple[Setting, ...]
    protocol: str

    def agreement(self, name: str) -> float | None:
        """Spearman's correlation of UDR and a score over settings; None of fewer than three, or if one is constant."""
        pairs = [(one.udr, one.scores[name]) for one in self.settings if one.udr is not None and name in one.scores]
        if len(pairs) < 3 or any(len(set(column)) < 2 for column in zip(*pairs, strict=True)):
            return None
        from scipy.stats import spearmanr

        udr, score = ([pair[side] for pair in pairs] for side in (0, 1))
        return float(spearmanr(udr, score).statistic)
