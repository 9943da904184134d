"""Whether embeddings can have the size at which an objective's temperature fits the pairs."""

from __future__ import annotations

import math

from kontrast.similarities import Cosine, Diagonal, Dot
from kontrast.spaces import Box, Ranges, Space, Sphere
from kontrast.spaces import Euclidean as RealSpace
from kontrast.theory.finding import Finding, Side
from kontrast.theory.information import concentration, exponent

CLOSE, ROUGH = 1e-6, 1e-2


def adjustable(side: Side, free: bool) -> bool:
    """Whether training can settle on the scale at which scores fit the pairs."""
    if free:
        return True
    if isinstance(side.similarity, Cosine):
        return False
    if isinstance(side.similarity, Diagonal) and side.similarity.learned:
        return True
    match side.space:
        case Sphere(learned=learned) | Box(learned=learned):
            return learned
        case RealSpace(standardize=standardize, learned=learned):
            return learned or not standardize
    return False


def compare_scales(found: Finding, latent: Side, embedding: Side) -> None:
    """Hold against a finding that a fixed temperature in a fixed space does not fit the width of the pairs."""
    repair = "objective.learn_temperature=True, or space.learned=True where the space can"
    kappa, size, reach, deviation = _needed(latent, embedding)
    match embedding.space:
        case Sphere(radius=radius):
            mine = concentration(embedding.similarity, embedding.temperature, radius)
            if kappa is not None and mine is not None and not math.isclose(kappa, mine, rel_tol=CLOSE):
                found.turned = True
                found.against(
                    f"Pairs have the concentration kappa={kappa:g} and the objective's law has {mine:g}, which nothing "
                    f"can change; write {repair}. (Rotations are often found all the same where the latter is lower.)"
                )
        case Box(low=low, high=high) if size * reach > (high - low) * (1 + CLOSE):
            wide = f"space.high={low + size * reach:.4g}" if math.isfinite(reach) else "space=Euclidean"
            found.against(
                f"At this temperature the latents would need a box {size * reach:.4g} wide, and it is {high - low:g}; "
                f"write {wide}, or {repair}."
            )
        case Box(low=low, high=high) if found.recovery == "orthogonal" and not isinstance(latent.space, Sphere):
            if size * reach > (high - low) * (1 - ROUGH):
                found.recovery = "permutation and sign"
                found.reason += " But the box has no room for a latent box that is turned: only its symmetries fit."
        case RealSpace(scale=scale) if not math.isclose(scale, size * deviation, rel_tol=ROUGH):
            found.against(
                f"At this temperature the latents would have a standard deviation of {size * deviation:.3g}, and that "
                f"of the embeddings is set to {scale:g}; write {repair}."
            )


def _needed(latent: Side, embedding: Side) -> tuple[float | None, float, float, float]:
    """The pairs' kappa on a sphere, the factor from latents to embeddings, and the latents' width and deviation."""
    t = embedding.temperature
    if isinstance(latent.space, Sphere):
        kappa = concentration(latent.similarity, latent.temperature, latent.space.radius)
        dots = isinstance(embedding.similarity, Dot)
        return kappa, math.sqrt((kappa or 1.0) * t / (1 if dots else 2)), 2.0, latent.dim**-0.5
    weights = [
        max(side.similarity.weights) if isinstance(side.similarity, Diagonal) else 1 for side in (latent, embedding)
    ]
    ratio = t / latent.temperature * weights[0] / weights[1]
    width = _width(latent.space)
    return None, ratio ** (1 / (exponent(latent.similarity) or 2.0)), width, width / math.sqrt(12)


def _width(space: Space) -> float:
    match space:
        case Box(low=low, high=high):
            return high - low
        case Ranges():
            return 1.0
    return math.inf
