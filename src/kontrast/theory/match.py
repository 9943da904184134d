"""Whether the law that pairs of latents are drawn from is one that an objective's similarity can express.

At the minimum of InfoNCE over many candidates, s(h(z), h(z')) / t equals the exponent of p(z' | z) but for a function
of z alone, where some h can make it so. What maps h do that is then a question of geometry: those that keep all dot
products, or all distances.
"""

from __future__ import annotations

import math
from collections import Counter

from kontrast.similarities import Additive, Cosine, Diagonal, Lp, Similarity
from kontrast.spaces import Box, Product, Ranges, Space, Sphere
from kontrast.spaces import Euclidean as RealSpace
from kontrast.theory.finding import ORDER, RUSAK, Finding, Side
from kontrast.theory.information import concentration, exponent
from kontrast.theory.scale import CLOSE, adjustable, compare_scales


def match(latent: Side, embedding: Side, free: bool) -> Finding:
    """What the minimum recovers. `free`: the objective's temperature is learned."""
    match latent.space:
        case Sphere():
            found = _directions(latent, embedding)
        case Product():
            return _blocks(latent, embedding, free)
        case _:
            found = _coordinates(latent, embedding)
    _dimensions(found, latent, embedding)
    if found.fits and not adjustable(embedding, free):
        compare_scales(found, latent, embedding)
    return found


def named(similarity: Similarity) -> str:
    """A similarity as it is written."""
    name, shape = type(similarity).__name__, getattr(similarity, "shape", "power")
    options = [f"p={similarity.p:g}"] if isinstance(similarity, Lp) else []
    options += [f"shape={shape}"] if shape != "power" else []
    return f"{name} with {' and '.join(options)}" if options else name


def _directions(latent: Side, embedding: Side) -> Finding:
    """Latents on a sphere."""
    pairs, scored = latent.similarity, embedding.similarity
    if isinstance(pairs, Diagonal):
        return _anisotropic(latent, embedding, pairs)
    assert isinstance(latent.space, Sphere)
    found = Finding(
        "orthogonal",
        "At the minimum all dot products of the latents are kept, and a map of the sphere that keeps them is a "
        "rotation, perhaps with a reflection.",
    )
    if concentration(pairs, latent.temperature, latent.space.radius) is None:
        found.against(
            f"Pairs are drawn by {named(pairs)}, which on a sphere adds noise and projects it back: that is not the "
            "von Mises-Fisher law; write pairing.similarity=Cosine."
        )
    if isinstance(scored, Diagonal) and not isinstance(embedding.space, Sphere):
        found.recovery, found.source = "linear", RUSAK
    homes: dict[str, tuple[type[Space], ...]] = {"Cosine": (Sphere,), "Dot": (Sphere, RealSpace)}
    allowed = homes.get(type(scored).__name__, (Sphere, RealSpace, Box) if exponent(scored) == 2 else ())
    if not allowed:
        found.against(
            f"The objective's {named(scored)} does not fit pairs that are von Mises-Fisher; "
            "write objective.similarity=Cosine space=Sphere."
        )
    elif not isinstance(embedding.space, allowed):
        where = type(embedding.space).__name__
        where += ", where the cosine leaves their lengths to chance" if isinstance(scored, Cosine) else ""
        found.against(f"The latents lie on a sphere and the embeddings in {where}; write space=Sphere.")
    return found


def _anisotropic(latent: Side, embedding: Side, pairs: Diagonal) -> Finding:
    """Latents on a sphere, of which some move more than others."""
    counts = Counter(pairs.weights[k % len(pairs.weights)] for k in range(latent.dim))
    blocks = "alone" if max(counts.values()) == 1 else "in blocks of equal weight"
    found = Finding(
        "permutation and sign" if max(counts.values()) == 1 else "orthogonal",
        f"At the minimum the weights are those of the pairs, which tells the latents apart {blocks}; within a block "
        "they are found up to rotation.",
        RUSAK,
    )
    found.notes.append("Noise of several widths is drawn in R^n and projected back, which is only near that law.")
    scored = embedding.similarity
    if isinstance(embedding.space, RealSpace) and exponent(scored) == 2:
        found.recovery, found.reason = "linear", "In R^d any linear map of the latents can make up for their weights."
    elif not isinstance(embedding.space, Sphere):
        found.against(
            f"The latents lie on a sphere and the embeddings in {type(embedding.space).__name__}; write space=Sphere."
        )
    elif not isinstance(scored, Diagonal) or not (scored.learned or _proportional(pairs, scored, latent, embedding)):
        found.against(
            f"Some latents move more than others, which {named(scored)} with one width for all cannot say; "
            "write objective.similarity=Diagonal, which learns the widths."
        )
    return found


def _proportional(pairs: Diagonal, scored: Diagonal, latent: Side, embedding: Side) -> bool:
    """Whether fixed weights of the objective are those of the pairs, in some order."""
    here, there = (
        sorted(similarity.weights[k % len(similarity.weights)] / side.temperature for k in range(latent.dim))
        for similarity, side in ((pairs, latent), (scored, embedding))
    )
    return all(math.isclose(a, b, rel_tol=CLOSE) for a, b in zip(here, there, strict=True))


def _coordinates(latent: Side, embedding: Side) -> Finding:
    """Latents in a box, in ranges or in R^d."""
    p, q = exponent(latent.similarity), exponent(embedding.similarity)
    assert p is not None
    if Diagonal in (type(latent.similarity), type(embedding.similarity)):
        reason = "Distances are kept after each latent and each embedding is scaled: that leaves any linear map."
        found = Finding("linear", reason, RUSAK)
    elif p == 2:
        found = Finding(
            "orthogonal",
            "At the minimum all Euclidean distances are kept up to one factor, which every rotation, reflection and "
            "shift does: score it by linear R², since MCC asks for more.",
        )
    elif p >= 1:
        found = Finding(
            "permutation and sign",
            f"At the minimum sum_k |z_k - z'_k|^p is kept up to one factor, and for p={p:g} only maps that permute, "
            "flip, scale and shift the latents do that.",
        )
    else:
        found = Finding("none", f"The theorem is about p >= 1, and pairs are drawn with p={p:g}.")
        found.against(f"No theorem covers noise with p={p:g} < 1; write ...similarity.p=1.", fits=True)
    if q != p:
        mine = f"Lp ...similarity.p={p:g}"
        mine += (
            " objective.similarity.shape=power" if getattr(embedding.similarity, "shape", "power") != "power" else ""
        )
        found.against(
            f"Pairs are drawn by {named(latent.similarity)} and compared by {named(embedding.similarity)}, which is "
            f"another law; write objective.similarity={mine}."
        )
    if not isinstance(embedding.space, Box | RealSpace):
        found.against(
            f"The latents lie in {type(latent.space).__name__} and the embeddings in {type(embedding.space).__name__}, "
            "which are not alike; write space=Box or space=Euclidean."
        )
    if isinstance(latent.space, Ranges):
        _support(found, latent.space)
    return found


def _support(found: Finding, space: Ranges) -> None:
    sizes = zip(space.low, space.high, space.discrete, strict=True)
    if any(discrete and high > low for low, high, discrete in sizes):
        found.against(
            "Both views of a pair share their class, so pairs do not reach the whole space, and a map of its own for "
            "each class does as well (arXiv 2606.04280); use data with one class."
        )
    if any(space.periodic):
        found.against("Some latents are angles, which wrap around: the theorem asks for a convex set.")


def _dimensions(found: Finding, latent: Side, embedding: Side) -> None:
    n, d = latent.dim, embedding.dim
    if d < n:
        found.against(f"{d} numbers cannot hold {n} latents; write head.dim={n}.")
    elif d > n and found.recovery == "permutation and sign":
        found.against(
            f"{d} numbers for {n} latents let one latent be spread over several; write head.dim={n}, or leave it out.",
            fits=True,
        )
    elif d > n:
        found.strained.append(f"The theorem has as many numbers as latents; here there are {d} for {n}.")
        found.recovery = ORDER[min(1, ORDER.index(found.recovery))]


def _blocks(latent: Side, embedding: Side, free: bool) -> Finding:
    """Latents in a product of spaces: the blocks one by one."""
    found = Finding("none", "Latents in a product of spaces need a similarity that adds up over the same blocks.")
    pairs, scored, space, home = latent.similarity, embedding.similarity, latent.space, embedding.space
    assert isinstance(space, Product) and isinstance(pairs, Additive)
    if not isinstance(scored, Additive) or scored.split != space.split:
        found.against(
            f"The latents are a product of spaces and {named(scored)} does not add up over its blocks; "
            f"write objective.similarity=Additive objective.similarity.split={space.split}."
        )
        return found
    halves = []
    for k, (where, law, scoring) in enumerate(
        ((space.first, pairs.first, scored.first), (space.second, pairs.second, scored.second))
    ):
        place = home if not isinstance(home, Product) else (home.first, home.second)[k]
        n, d = ((space.split, space.split), (latent.dim - space.split, embedding.dim - space.split))[k]
        one = Side(where, law, latent.temperature / (pairs.weight if k else 1), n)
        two = Side(place, scoring, embedding.temperature / (scored.weight if k else 1), d)
        halves.append(match(one, two, free and not k))
    found.recovery = min((half.recovery for half in halves), key=ORDER.index)
    found.reason = " ".join(
        f"{name} block: {half.reason}" for name, half in zip(("First", "Second"), halves, strict=True)
    )
    found.broken = [text for half in halves for text in half.broken]
    found.strained = [text for half in halves for text in half.strained]
    found.notes = [text for half in halves for text in half.notes]
    found.fits = all(half.fits for half in halves)
    found.notes.append("The theorem is about one space; for a product it is applied block by block.")
    return found
