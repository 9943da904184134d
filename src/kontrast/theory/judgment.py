"""What an experiment promises, part by part: which assumptions of the theory hold, and which do not."""

from __future__ import annotations

import math

from kontrast.datasets import Generative, Mixing, Posteriors
from kontrast.experiment import Experiment
from kontrast.marginals import Around, Uniform
from kontrast.objectives import InfoNCE, MCInfoNCE, SIGReg
from kontrast.pairings import Conditional, Content, Observed
from kontrast.spaces import Euclidean as RealSpace
from kontrast.spaces import Product, Space, Sphere
from kontrast.teachers import Shared
from kontrast.theory.finding import Finding, Side
from kontrast.theory.information import concentration, exponent
from kontrast.theory.match import match
from kontrast.theory.pairs import content, drawn_otherwise, stored
from kontrast.theory.scale import CLOSE

KNOWN = {
    "MeanSquaredError": (
        "The objective is told the latents, so recovering them identifies nothing: it is the ceiling for those that "
        "are not told.",
        "",
    ),
    "CrossEntropy": (
        "Labels are known to give the latents up to a linear map where every class is a von Mises-Fisher cluster of "
        "them, of which nothing is known here.",
        "Reizinger et al. 2025, arXiv 2410.21869",
    ),
    "BarlowTwins": (
        "Decorrelation finds the leading eigenfunctions of the pairs, up to a linear map; these are the latents in "
        "special cases alone.",
        "Balestriero and LeCun 2022, arXiv 2205.11508",
    ),
    "Blocks": ("Nothing makes a block hold the latents of its own kind: each looks for its partner alone.", ""),
}
KNOWN["VICReg"] = KNOWN["BarlowTwins"]


def judge(experiment: Experiment) -> Finding:
    """What the theory says of an experiment: what is recovered, and what stands against it."""
    data, pairing, objective = experiment.data, experiment.pairing, experiment.objective
    if not isinstance(objective, InfoNCE):
        return _other(experiment)
    if isinstance(pairing, Content):
        return content(experiment, pairing)
    if not data.factors:
        return _unknown(f"The latents of {type(data).__name__} are not known, so nothing can be said about them.")
    if found := drawn_otherwise(pairing):
        return found
    if isinstance(pairing, Observed):
        return _unknown(
            "Observations show their latents up to a posterior, of which the scores of InfoNCE say nothing; write "
            "objective=MCInfoNCE space=VonMisesFisher."
        )
    if not isinstance(pairing, Conditional):
        return _unknown(
            f"{type(pairing).__name__} makes pairs whose law in latent space is not known: what the views share "
            "survives, in what form the theory does not say; write pairing=Conditional."
        )
    latent = Side(data.latent_space, pairing.similarity, pairing.temperature, len(data.factors))
    embedding = Side(experiment.space, objective.similarity, objective.temperature, experiment.dim)
    found = match(latent, embedding, objective.learn_temperature)
    if isinstance(data, Generative):
        _world(found, data)
    else:
        stored(found, data)
    _network(found, experiment)
    _loss(found, objective)
    return found


def uniform(data: Generative) -> bool:
    """Whether the latents are uniform where they live."""
    marginal = getattr(data, "marginal", None)
    if data.dependent:
        return False
    return not _unbounded(data.latent_space) if marginal is None else isinstance(marginal, Uniform)


def _unbounded(space: Space) -> bool:
    if isinstance(space, Product):
        return _unbounded(space.first) or _unbounded(space.second)
    return isinstance(space, RealSpace)


def _other(experiment: Experiment) -> Finding:
    match experiment.objective:
        case SIGReg():
            return _normal(experiment)
        case MCInfoNCE() as objective:
            return _posteriors(experiment, objective)
    name = type(experiment.objective).__name__
    reason, source = KNOWN.get(name, (f"No theorem is known here of what {name} recovers.", ""))
    found = Finding("none", reason, source)
    found.against(f"The theory is about InfoNCE, not about {name}; write objective=InfoNCE.")
    return found


def _normal(experiment: Experiment) -> Finding:
    found = Finding(
        "orthogonal",
        "Views that agree and embeddings that are normal leave a rotation of the latents, if these are normal and "
        "pairs are drawn so that they stay so.",
        "Klindt et al. 2026, arXiv 2605.26379",
    )
    data = experiment.data
    if not isinstance(data, Generative) or not isinstance(experiment.pairing, Conditional):
        return _unknown("The law of the pairs in latent space is not known; write data=Mixing pairing=Conditional.")
    law = getattr(data, "marginal", None) or Around()
    if not isinstance(data.latent_space, RealSpace):
        found.against(
            "The latents are not normal, and with others the minimum is off the truth; write data.space=Euclidean."
        )
    elif not isinstance(law, Around) or exponent(law.similarity) != 2:
        found.against("The latents are not normal; write data.marginal=Around data.marginal.similarity=Euclidean.")
    found.against(
        "Pairs are drawn as z plus noise, which is wider than z; the theorem draws z' = r z + sqrt(1 - r^2) noise."
    )
    return found


def _posteriors(experiment: Experiment, objective: MCInfoNCE) -> Finding:
    found = Finding(
        "orthogonal",
        "Where pairs are von Mises-Fisher with kappa = 1 / temperature, the minimum is at the true posteriors, their "
        "directions up to a rotation.",
        "Kirchhof et al. 2023, arXiv 2302.02865",
    )
    data, pairing = experiment.data, experiment.pairing
    kappa: float | None
    if isinstance(data, Posteriors) and isinstance(pairing, Observed):
        kappa, latents = 1 / pairing.temperature, data.dim
    elif isinstance(data, Generative) and isinstance(pairing, Conditional):
        kappa, latents = _near(data, pairing), len(data.factors)
        found.notes.append("Where an observation gives its latents away, their true concentration is infinite.")
    else:
        return _unknown("The law of the pairs in latent space is not known; write data=Posteriors pairing=Observed.")
    if kappa is None:
        found.against("Pairs are not von Mises-Fisher; write data.space=Sphere pairing.similarity=Cosine.")
    elif not objective.learn_temperature and not math.isclose(kappa * objective.temperature, 1, rel_tol=CLOSE):
        found.against(f"Pairs have kappa={kappa:g}; write objective.temperature={1 / kappa:.6g}.")
    if experiment.dim != latents:
        instead = f"write head.dim={latents}" if isinstance(data, Posteriors) else "leave out head.dim"
        found.against(f"There are {latents} latents for {experiment.dim} numbers; {instead}.")
    if objective.averaged:
        found.against(
            "Negatives that weigh 1/M double the concentrations at the minimum; write objective.averaged=False."
        )
    _world(found, data)
    return found


def _near(data: Generative, pairing: Conditional) -> float | None:
    """The concentration of the pairs; None where they are not von Mises-Fisher."""
    space = data.latent_space
    return concentration(pairing.similarity, pairing.temperature, space.radius) if isinstance(space, Sphere) else None


def _unknown(why: str) -> Finding:
    found = Finding("none", "Without the law of the pairs there is nothing to compare the objective with.", "")
    found.against(why)
    return found


def _world(found: Finding, data: Generative) -> None:
    if not uniform(data):
        found.against(
            "The latents are not uniform: R^d has no uniform law; write data.space=Box or data.space=Sphere."
            if _unbounded(data.latent_space)
            else "The latents depend on each other; write data.law=independent."
            if data.dependent
            else "The latents are not uniform on their space; write data.marginal=Uniform.",
            fits=True,
        )
    mixing = data.mixing if isinstance(data, Posteriors) else data
    if not isinstance(mixing, Mixing):
        found.notes.append(
            f"No two latents may give the same observation; for {type(data).__name__} that is not checked."
        )
    elif mixing.activation == "relu" and mixing.layers > 1:
        why = "A mixing with relu loses latents and cannot be inverted; write data.activation=leaky_relu."
        found.against(why, fits=True)


def _network(found: Finding, experiment: Experiment) -> None:
    if not isinstance(experiment.teacher, Shared):
        name = type(experiment.teacher).__name__
        found.against(f"The theory is about a minimum, and {name} does not seek one; write teacher=Shared.", fits=True)
    if experiment.predictor is not None:
        why = "With a predictor asked and answered embeddings are two maps; write predictor=None."
        found.against(why, fits=True)


def _loss(found: Finding, objective: InfoNCE) -> None:
    if objective.alpha != 0.5:
        found.against(
            f"alpha={objective.alpha:g} weighs the two terms unequally, so the minimum is not at the law of the pairs; "
            "write objective.alpha=0.5."
        )
    if objective.own and objective.candidates != "cross":
        found.strained.append(
            "Each anchor is among its own negatives, which no law allows for: as their share grows the minimum moves "
            "off the truth, and below its loss; write objective.own=False."
        )
    if objective.denominator == "negatives":
        found.strained.append(
            "Without the positive in the denominator the minimum is at the truth for many candidates only."
        )
