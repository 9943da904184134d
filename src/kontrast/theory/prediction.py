"""The theory check: what an experiment's parts promise, and how far from it a loss is."""

from __future__ import annotations

import math
from dataclasses import dataclass

from kontrast.datasets import Generative
from kontrast.experiment import Experiment
from kontrast.objectives import InfoNCE
from kontrast.pairings import Conditional
from kontrast.spaces import Sphere
from kontrast.theory.finding import Finding, Recovery
from kontrast.theory.information import Facts, facts
from kontrast.theory.judgment import judge, uniform
from kontrast.theory.truth import Exact


@dataclass(frozen=True)
class Prediction:
    """What the theory says of an experiment. Numbers are nats, and None where there is no formula.

    `recovery` is what the minimum of the loss is proved to recover of the latents, "none" where an assumption that the
    proof needs is broken; `otherwise` is what it would be if none were. "linear" is any affine map, "orthogonal" one of
    rotation, reflection, one scale and shift, and "permutation and sign" one of order, signs, scales and shifts.

    `violated` are the assumptions that do not hold, in words that say what to write instead; `notes` is what else to
    know. `candidates` M counts the positive. `information` is I(z; z') of a pair. `floor` is the least that loss - log
    M can be, for any encoder. `self_pairs` is the expected weight of an anchor itself beside all other candidates,
    1 / (M E exp((s(z, y) - s(z, z)) / t)), and `self_share` its mean share of the whole denominator if it is one of
    them. `truth` is the loss at the true latents in batches of this size, and `truth_error` its standard error.
    """

    recovery: Recovery
    otherwise: Recovery
    reason: str
    source: str
    violated: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    candidates: int | None = None
    information: float | None = None
    floor: float | None = None
    self_pairs: float | None = None
    self_share: float | None = None
    truth: float | None = None
    truth_error: float | None = None

    @property
    def saturated(self) -> bool | None:
        """Whether pairs tell more about each other than InfoNCE can measure, I(z; z') > log M."""
        if self.information is None or self.candidates is None:
            return None
        return self.information > math.log(self.candidates)

    @property
    def least(self) -> float | None:
        """The least that the loss itself can be: floor + log M, and never below 0."""
        if self.floor is None or self.candidates is None:
            return None
        return max(0.0, self.floor + math.log(self.candidates))

    def gap(self, loss: float) -> float | None:
        """How far a loss is above that of the true latents, or else above the least it can be."""
        reference = self.truth if self.truth is not None else self.least
        return None if reference is None else loss - reference


def check(experiment: Experiment, *, estimate: bool = True) -> Prediction:
    """What the theory predicts of an experiment, from its parts alone: nothing is trained.

    With `estimate` the loss at the true latents is measured on batches of the experiment's size, which takes seconds.
    """
    found = judge(experiment)
    data, pairing, objective = experiment.data, experiment.pairing, experiment.objective
    numbers: dict[str, float | int | None] = {}
    if isinstance(objective, InfoNCE) and isinstance(pairing, Conditional) and isinstance(data, Generative):
        numbers["candidates"] = count = candidates(objective, experiment.compared)
        marginal = getattr(data, "marginal", None)
        known = None
        if not data.dependent:
            known = facts(data.latent_space, len(data.factors), marginal, pairing.similarity, pairing.temperature)
        if known is not None:
            numbers |= _closed(known, objective, pairing, count, found)
            _remark(found, known, experiment, pairing, objective)
        if estimate and (found.fits or found.turned):
            numbers |= _measured(experiment, data, pairing, objective, found, known)
    recovery: Recovery = "none" if found.broken else found.recovery
    violated = (*found.broken, *found.strained)
    return Prediction(recovery, found.recovery, found.reason, found.source, violated, tuple(found.notes), **numbers)  # type: ignore[arg-type]


def candidates(objective: InfoNCE, batch: int) -> int:
    """How many candidates an anchor of two views has, the positive among them: M of the bound log M."""
    own = objective.own and objective.candidates != "cross"
    count = {"both": 2 * batch - 1, "cross": batch, "anchors": batch}[objective.candidates] + own
    return count - (objective.denominator == "negatives")


def _closed(
    known: Facts, objective: InfoNCE, pairing: Conditional, count: int, found: Finding
) -> dict[str, float | int | None]:
    floor = known.floor(objective.candidates, pairing.symmetric) if objective.alpha == 0.5 else None
    own = math.exp(min(700.0, -known.log_kernel - math.log(count))) if found.fits else None
    return {"information": known.information, "floor": floor, "self_pairs": own}


def _remark(found: Finding, known: Facts, experiment: Experiment, pairing: Conditional, objective: InfoNCE) -> None:
    most = math.log(candidates(objective, experiment.compared))
    if known.information > most:
        effect = (
            "The anchors themselves, nearer than any partner, hide the rest."
            if objective.own
            else "The loss of the true latents is then nearly 0, and that of much worse encoders nearly as low, so "
            "training is slow."
        )
        found.notes.append(
            f"Saturated: pairs share {known.information:.2f} nats and the candidates can show {most:.2f}. {effect}"
        )
    exact = objective.candidates == "anchors" and not pairing.symmetric
    assert isinstance(experiment.data, Generative)
    if known.moved > 0 and not exact and uniform(experiment.data):
        found.notes.append(
            f"Near the walls partners are not quite uniform (by {known.moved:.2g} nats), so the minimum is that little "
            "off the truth; with objective.candidates=anchors pairing.symmetric=False it is not."
        )


def _measured(
    experiment: Experiment,
    data: Generative,
    pairing: Conditional,
    objective: InfoNCE,
    found: Finding,
    known: Facts | None,
) -> dict[str, float | int | None]:
    radius = experiment.space.radius if not found.fits and isinstance(experiment.space, Sphere) else None
    exact = Exact(data, pairing, objective, experiment.compared, experiment.seed, radius)
    made = exact.measure(known.attraction if known is not None and found.fits and objective.alpha == 0.5 else None)
    own = made.own if objective.candidates != "cross" else None
    return {"truth": made.loss, "truth_error": made.error, "self_share": own}
