"""Pairs whose law is not the one that the theorem of inversion is about: what is, and is not, promised of them."""

from __future__ import annotations

from kontrast.datasets import Dataset, Generative
from kontrast.experiment import Experiment
from kontrast.pairings import Content, Neighbors, Pairing, Pairs, Temporal
from kontrast.theory.finding import Finding

NEITHER = "Without the law of the pairs there is nothing to compare the objective with."
LAWS: dict[type[Pairing], tuple[str, str]] = {
    Neighbors: (
        "Neighbors go a step in each latent, or anywhere in a box: the law of such pairs is flat and ends, and no "
        "similarity of the objective has it, so how distances are kept the theory does not say; write "
        "pairing=Conditional pairing.similarity=Lp.",
        "",
    ),
    Temporal: (
        "Frames of a film move by a law that is only measured: latents are recovered up to order, signs, scales and "
        "shifts where their steps are independent, Laplace and alike everywhere, and the first frame is uniform, none "
        "of which is known; kontrast data pairs says how the steps are spread.",
        "Klindt et al. 2021, arXiv 2007.10930",
    ),
    Pairs: (
        "A table of pairs does not say by which law it was drawn: what kontrast theory says of the pairing that drew "
        "it holds, of pairs that were rendered; of pairs of stored rows it does not.",
        "",
    ),
}


def drawn_otherwise(pairing: Pairing) -> Finding | None:
    """What is said of pairs that are known not to be drawn by a similarity; None for others."""
    for kind, (why, source) in LAWS.items():
        if isinstance(pairing, kind):
            found = Finding("none", NEITHER, source)
            found.against(why)
            return found
    return None


def content(experiment: Experiment, pairing: Content) -> Finding:
    """Pairs that share their content: a block is identified, and none of its latents alone."""
    data = experiment.data
    style = pairing.styled(data)
    names = [factor.name for k, factor in enumerate(data.factors) if k not in style]
    found = Finding(
        "none",
        f"The content ({', '.join(names)}) is identified as a block, up to an invertible map of it, and the style is "
        "left out; no single latent is, so score the content by a nonlinear read-out, and not by MCC.",
        "von Kuegelgen et al. 2021, arXiv 2106.04619",
    )
    if experiment.dim != len(names):
        found.strained.append(
            f"The theorem has as many numbers as content latents; here are {experiment.dim} for {len(names)}: write "
            f"head.dim={len(names)}."
        )
    if any(factor.kind == "discrete" for factor in data.factors):
        found.notes.append("The theorem is about continuous latents; classes are none.")
    if pairing.similarity is None and pairing.p == 1:
        found.notes.append("Every style latent is redrawn, so that nothing of the style is shared by chance.")
    if not isinstance(data, Generative):
        off = [
            name for name, k in _columns(data, names) if data.factors[k].kind != "discrete" and not data.factors[k].grid
        ]
        if off:
            found.strained.append(
                f"{', '.join(off)} of a stored pair are only near each other, not equal, since no two rows have the "
                "same; write data that are rendered, or make pairs with kontrast data pairs and render=FOLDER."
            )
    return found


def stored(found: Finding, data: Dataset) -> None:
    """What stands against pairs of stored rows, whatever else holds."""
    found.against(
        f"Pairs of {type(data).__name__} are the stored rows nearest to what is drawn, which is another law: wider, "
        "and the less like it the fewer the rows (kontrast data pairs says how much); write data that are rendered, as "
        "data=Sprites, or render pairs of the law with kontrast data pairs and render=FOLDER."
    )
    found.notes.append("Whether stored rows are uniform where their latents live is not checked.")


def _columns(data: Dataset, names: list[str]) -> list[tuple[str, int]]:
    every = [factor.name for factor in data.factors]
    return [(name, every.index(name)) for name in names]
