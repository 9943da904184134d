"""What the laboratory has measured, kept in lab.json as it grows."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any, Literal

from kontrast.blueprints import values
from kontrast.files import write_json
from kontrast.lab.plan import Kind, Plan
from kontrast.probes import MCC, Recovery
from kontrast.run import Run
from kontrast.theory import Prediction

LATE = 0.05
"""The final loss is the mean over this last share of the steps."""


@dataclass(frozen=True)
class Row:
    """What one encoder recovered with one seed: held-out scores, their nulls, and what it took.

    `r2` is linear, averaged over latents; `mcc` goes by Pearson's correlation and `spearman` by ranks. The nulls are
    with the latents of other rows. `loss` is the mean over the last twentieth of the steps, and `gap` its distance to
    the loss of the true latents, or else to the least that there can be. Times are of the training, in seconds.
    """

    seed: int
    encoder: str
    r2: float
    mcc: float
    spearman: float
    r2_null: float
    mcc_null: float
    loss: float | None = None
    gap: float | None = None
    cpu: float | None = None
    wall: float | None = None
    steps: int | None = None


def final_loss(folder: Path) -> float | None:
    """The mean loss over the last twentieth of a run's steps, as metrics.jsonl tells; None if it does not."""
    try:
        rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        late = (1 - LATE) * rows[-1]["step"]
        return float(mean(row["loss"] for row in rows if row["step"] > late))
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None


class Book:
    """The rows so far, and the time that each run took."""

    def __init__(self, plan: Plan, prediction: Prediction) -> None:
        self.plan, self.prediction, self.rows = plan, prediction, list[Row]()
        self.path = plan.out / "lab.json"
        self.protocol = (
            f"Recovery and MCC on the embedding, fitted on {plan.limit:,} rows of the training split and scored on "
            f"{plan.limit:,} of the test split; null: with the latents of other rows; mean and standard deviation over "
            f"seeds {', '.join(map(str, plan.seeds))}"
        )
        self.seconds: dict[str, dict[str, float]] = {}
        with suppress(OSError, ValueError, KeyError, TypeError):
            self.seconds = json.loads(self.path.read_text())["seconds"]

    @contextmanager
    def timed(self, kind: Kind, seed: int) -> Iterator[None]:
        """Add the time that passes inside to that of a run, also when it is left half way."""
        cpu, wall, name = time.process_time(), time.perf_counter(), self.plan.folder(kind, seed).name
        try:
            yield
        finally:
            passed = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
            before = self.seconds.get(name, {})
            self.seconds[name] = {clock: before.get(clock, 0.0) + passed[clock] for clock in passed}
            self.write()

    def add(self, seed: int, runs: Mapping[str, Run]) -> None:
        """Score the encoders of one seed."""
        for encoder in self.plan.encoders:
            run = runs.get(encoder, runs[self.plan.kinds[0]])
            row = _scored(run, seed, encoder, self.plan.limit)
            self.rows.append(replace(row, **self._spent(run, encoder)) if encoder in runs else row)
        self.write()

    def _spent(self, run: Run, encoder: str) -> dict[str, Any]:
        loss = final_loss(run.path)
        gap = self.prediction.gap(loss) if loss is not None and encoder == "unsupervised" else None
        return {"loss": loss, "gap": gap, "steps": run.checkpoint().step, **self.seconds.get(run.path.name, {})}

    def write(self) -> None:
        """lab.json: all numbers, and what is needed to read them."""
        content = {
            "protocol": self.protocol,
            "seeds": list(self.plan.seeds),
            "only": self.plan.only,
            "experiment": values(self.plan.base),
            "prediction": asdict(self.prediction),
            "rows": [asdict(row) for row in self.rows],
            "seconds": self.seconds,
            "environment": self._environment(),
        }
        write_json(self.path, {key: _finite(value) for key, value in content.items()})

    def _environment(self) -> Any:
        """Versions and machine, as the first run that was begun has them."""
        for seed in self.plan.seeds:
            for kind in self.plan.kinds:
                try:
                    return json.loads((self.plan.folder(kind, seed) / "environment.json").read_text())
                except (OSError, ValueError):
                    continue
        return None


def _scored(run: Run, seed: int, encoder: str, limit: int) -> Row:
    layer: Literal["raw", "embedding"] = "raw" if encoder == "identity" else "embedding"
    untrained = encoder == "untrained"
    train = run.encode("train", layer, untrained=untrained, limit=limit)
    test = run.encode("test", layer, untrained=untrained, limit=limit)
    linear, matched = Recovery()(train, test), MCC()(train, test)
    return Row(
        seed,
        encoder,
        r2=linear.values["r2/mean"],
        mcc=matched.values["mcc/pearson"],
        spearman=matched.values["mcc/spearman"],
        r2_null=linear.null["r2/mean"],
        mcc_null=matched.null["mcc/pearson"],
    )


def _finite(value: Any) -> Any:
    """The same with null for numbers that JSON has not."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
