"""The theory check: what each combination of parts promises, and its numbers against closed forms and against draws."""

import math
import re

import chz
import numpy as np
import pytest
import torch
from scipy import stats
from scipy.special import xlogy

from kontrast import methods, parts, theory
from kontrast.datasets import Mixing
from kontrast.marginals import Around
from kontrast.objectives import InfoNCE, Objective
from kontrast.pairings import Conditional, Content, Neighbors, Pairs, Temporal
from kontrast.similarities import Additive, Cosine, Diagonal, Dot, Euclidean, Lp
from kontrast.spaces import Box, Product, Ranges, Sphere
from kontrast.spaces import Euclidean as RealSpace
from kontrast.theory.information import facts
from kontrast.theory.judgment import KNOWN
from kontrast.theory.lines import Line, Noise
from kontrast.theory.pairs import drawn_otherwise
from kontrast.views import Views

from formats_pairs import _Crossed, _Points


def inversion(data, pairs, t, scored, space, temperature=None, head=None, **objective):
    """An inversion of these parts, with batches of 64."""
    how = InfoNCE(similarity=scored, temperature=temperature or t, **objective)
    dim = {} if head is None else {"head.dim": head}
    pairing = Conditional(similarity=pairs, temperature=t)
    return methods.inversion(data=data, pairing=pairing, objective=how, space=space, batch=64, **dim)


def boxed(p, t, scored=None, space=None, dim=3, **options):
    data = Mixing(space=Box(), dim=dim, layers=1)
    return inversion(data, Lp(p=p), t, scored or Lp(p=p), space or Box(), **options)


def spherical(kappa, dim=10, batch=6144, **objective):
    pairing = Conditional(temperature=1 / kappa)
    how = InfoNCE(temperature=1 / kappa, **objective)
    return methods.inversion(data=Mixing(dim=dim, layers=1), pairing=pairing, objective=how, batch=batch)


def told(experiment):
    return theory.check(experiment, estimate=False)


# The numbers.


@pytest.mark.parametrize(
    ("dim", "kappa", "floor"), [(3, 10, -1.99573), (10, 1, -0.04938), (10, 10, -2.48447), (10, 20, -4.76210)]
)
def test_floors_on_the_sphere(dim, kappa, floor):
    found = told(spherical(kappa, dim))
    assert found.floor == pytest.approx(floor, abs=1e-5)
    assert found.information == pytest.approx(-floor, abs=1e-5)


@pytest.mark.parametrize(
    ("batch", "kappa", "weight"), [(6144, 1, 0.0004), (6144, 10, 0.076), (6144, 20, 1.14), (512, 20, 13.6)]
)
def test_weights_of_self_pairs_on_the_sphere(batch, kappa, weight):
    found = told(spherical(kappa, batch=batch, candidates="anchors"))
    assert found.self_pairs == pytest.approx(weight, rel=0.06 if kappa == 1 else 0.005)


@pytest.mark.parametrize(("dim", "share"), [(5, 0.93), (10, 0.999)])
def test_shares_of_self_pairs_in_the_box(dim, share):
    experiment = boxed(1, 0.05, dim=dim, candidates="anchors")
    found = theory.check(chz.replace(experiment, batch=6144))
    assert found.self_share == pytest.approx(share, abs=0.005)
    # As a ratio of means: 1 / (M (2 t - 2 t^2 (1 - e^(-1 / t)))^d).
    assert found.self_pairs == pytest.approx(1 / (6144 * 0.095**dim), rel=1e-6)


@pytest.mark.parametrize(("dim", "without_walls"), [(10, 15.77), (3, 4.73)])
def test_information_in_the_box(dim, without_walls):
    found = told(chz.replace(boxed(2, 2 * 0.05**2, dim=dim), batch=6144))
    free = dim * (-math.log(0.05) - math.log(2 * math.pi * math.e) / 2)
    assert free == pytest.approx(without_walls, abs=0.005)
    # Walls make pairs tell a little more: by an amount in proportion to the share of latents near them.
    assert free < found.information < 1.05 * free
    near = told(boxed(2, 2 * 0.005**2, dim=dim)).information - free - dim * math.log(10)
    assert near == pytest.approx((found.information - free) / 10, rel=0.01)
    assert found.saturated == (dim == 10)


@pytest.mark.parametrize("p", [0.5, 1, 1.5, 2, 3])
@pytest.mark.parametrize("marginal", [None, Noise(2, 0.1, 0.5), Noise(1, 0.2, 0.3)])
def test_a_line_against_sums_over_a_grid(p, marginal):
    line = Line(Noise(p, 0.1**p), -1.0, 1.0, marginal)
    found = line.facts()
    n = 2000 if p < 1 else 1000
    x = np.linspace(-1, 1, n + 1)[:-1] + 1 / n
    q0 = (
        np.ones_like(x)
        if marginal is None
        else np.exp(-(np.abs(x - marginal.center) ** marginal.p) / marginal.temperature)
    )
    q0 /= q0.sum()
    kernel = np.exp(-((np.abs(x[:, None] - x) / 0.1) ** p))
    after = kernel / kernel.sum(1, keepdims=True)
    q1 = q0 @ after
    joint = q0[:, None] * after
    rough = 0.03 if p < 1 else 1e-3
    assert found.information == pytest.approx(float((xlogy(joint, after) - xlogy(joint, q1)).sum()), abs=rough)
    assert found.moved == pytest.approx(float((q1 * np.log(q1 / q0)).sum()), rel=0.02, abs=1e-5)
    assert found.back == pytest.approx(float((q0 * np.log(q0 / q1)).sum()), rel=0.02, abs=1e-5)
    assert found.kernel == pytest.approx(float(q0 @ kernel @ q0), rel=rough)
    far = -((np.abs(x[:, None] - x) / 0.1) ** p)
    assert found.attraction == pytest.approx(float((joint * far).sum()), rel=0.05 if p < 1 else 1e-3)


def test_normal_latents_with_normal_noise_have_the_textbook_values():
    known = facts(RealSpace(), 4, None, Euclidean(), 0.5)  # variances 1 and 1/4
    assert known.information == pytest.approx(4 * math.log(1 + 4) / 2, abs=1e-9)
    assert known.moved == pytest.approx(4 * (1.25 - 1 - math.log(1.25)) / 2, abs=1e-9)
    assert known.back == pytest.approx(4 * (1 / 1.25 - 1 + math.log(1.25)) / 2, abs=1e-9)
    assert known.attraction == pytest.approx(-4 / 2, abs=1e-9)


def test_weights_blocks_and_angles_add_up():
    weighted = facts(Box(), 2, None, Diagonal(weights=(1.0, 4.0)), 0.02)
    alone = [facts(Box(), 1, None, Euclidean(), t) for t in (0.02, 0.005)]
    assert weighted.information == pytest.approx(sum(each.information for each in alone))
    both = facts(Product(split=2), 5, None, Additive(split=2, weight=2.0), 0.2)
    halves = [facts(Box(), 2, None, Lp(p=1), 0.2), facts(Sphere(), 3, None, Cosine(), 0.1)]
    assert both.floor("both", True) == pytest.approx(sum(half.floor("both", True) for half in halves))
    sprites = methods.inversion.read(["data=Sprites", "pairing.similarity=Lp", "...p=2", "pairing.temperature=0.0002"])
    width = 0.01
    each = -math.log(width) - math.log(2 * math.pi * math.e) / 2
    # Three classes that stay, one angle without walls, and three latents with them.
    assert told(sprites).information == pytest.approx(math.log(3) + 4 * each, abs=3 * 1.5 * width)


@pytest.mark.parametrize("candidates", ["both", "cross", "anchors"])
@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("denominator", ["all", "negatives"])
def test_candidates_are_those_that_the_loss_has(candidates, own, denominator):
    objective = InfoNCE(similarity=Euclidean(), candidates=candidates, own=own, denominator=denominator)
    same = torch.zeros(7, 2)
    loss = objective.agree((same, same), (same, same), Views((), torch.arange(7))).total
    assert math.exp(loss) == pytest.approx(theory.candidates(objective, 7), rel=1e-5)


def pairs_of(experiment, n, seed=3):
    """Latents and partners float64, drawn by scipy: latents uniform in [0, 1]^d with generalized normal noise."""
    rng, p, t = np.random.default_rng(seed), experiment.pairing.similarity.p, experiment.pairing.temperature
    z = rng.uniform(size=(n, experiment.data.dim))
    law = stats.gennorm(p, scale=t ** (1 / p))
    low, high = law.cdf(-z), law.cdf(1 - z)
    return z, z + law.ppf(low + (high - low) * rng.uniform(size=z.shape))


@pytest.mark.parametrize("p", [1, 2, 3])
def test_the_floor_in_the_box_is_what_many_candidates_give_the_true_latents(p):
    experiment = boxed(p, 0.3**p, candidates="anchors")
    experiment = chz.replace(experiment, pairing=chz.replace(experiment.pairing, symmetric=False))
    z, partner = pairs_of(experiment, 4000)
    t = experiment.pairing.temperature
    gaps = [np.abs(np.subtract.outer(column, column)) for column in z.T]
    negative = -sum(math.prod([gap] * p) for gap in gaps) / t
    np.fill_diagonal(negative, -np.inf)
    positive = -(np.abs(z - partner) ** p).sum(-1) / t
    each = np.logaddexp(np.logaddexp.reduce(negative, 1), positive) - positive - math.log(len(z))
    error = each.std() / math.sqrt(len(z))
    assert told(experiment).floor == pytest.approx(each.mean(), abs=3 * error + 0.003)
    assert error < 0.03


@pytest.mark.parametrize(
    "experiment",
    [
        spherical(10, 3, 512),
        spherical(10, 10, 256, candidates="cross"),
        spherical(5, 4, 256, candidates="anchors"),
        boxed(1, 0.3),
        boxed(2, 0.1, candidates="cross"),
        boxed(3, 0.1, candidates="anchors"),
    ],
    ids=lambda experiment: f"{type(experiment.data.space).__name__}-{experiment.objective.candidates}",
)
def test_the_true_latents_come_near_the_floor_and_not_below(experiment):
    found = theory.check(experiment)
    assert found.least - 3 * found.truth_error < found.truth < found.least + 0.1
    assert found.gap(found.truth + 0.25) == pytest.approx(0.25)


def test_the_steadied_loss_is_the_plain_one():
    experiment = spherical(10, 3, 256)
    found = theory.check(experiment)
    generator, losses = torch.Generator().manual_seed(5), []
    for _ in range(40):
        z = experiment.data.sample(256, generator)
        partner = Cosine().sample(z, 0.1, Sphere(), generator)
        losses.append(float(experiment.objective(z, partner, torch.arange(256)).total))
    # Called on two views, the first alone asks; on the sphere the second would ask the same.
    plain = chz.replace(experiment, pairing=chz.replace(experiment.pairing, symmetric=False))
    error = np.std(losses) / math.sqrt(40)
    assert theory.check(plain).truth == pytest.approx(np.mean(losses), abs=3 * error)
    assert found.truth_error < error / 2


def test_without_a_law_there_are_no_numbers():
    found = told(methods.simclr())
    assert (found.information, found.floor, found.truth, found.saturated, found.least) == (None,) * 5
    assert found.gap(1.0) is None


# What is recovered.

PAIR, CIRCLE = Mixing(space=Box(), dim=2, layers=1), Mixing(dim=3, layers=1)
SPRITES = ["data=Sprites", "encoder=Conv", "space=Euclidean", "pairing.similarity=Lp", "objective.similarity=Lp"]


@pytest.mark.parametrize(
    ("recovery", "experiment"),
    [
        ("orthogonal", spherical(10)),
        ("orthogonal", inversion(CIRCLE, Euclidean(), 0.2, Cosine(), Sphere(), 0.1)),
        ("orthogonal", inversion(CIRCLE, Cosine(), 0.1, Euclidean(), Sphere(), 0.2)),
        ("orthogonal", inversion(CIRCLE, Cosine(), 0.1, Lp(p=2), RealSpace(), 1.0)),
        ("orthogonal", inversion(CIRCLE, Cosine(), 0.1, Dot(), RealSpace(), 1.0)),
        ("orthogonal", inversion(CIRCLE, Dot(), 0.1, Dot(), Sphere(radius=2.0), 0.4)),
        ("orthogonal", inversion(CIRCLE, Cosine(), 0.1, Dot(), Sphere(learned=True), 1.0)),
        ("orthogonal", inversion(CIRCLE, Cosine(), 0.1, Cosine(), Sphere(), 1.0, learn_temperature=True)),
        ("permutation and sign", boxed(1, 0.05)),
        ("permutation and sign", boxed(1, 0.05, space=RealSpace(), temperature=1.0)),
        ("permutation and sign", boxed(1, 0.05, space=Box(learned=True), temperature=1.0)),
        ("permutation and sign", boxed(1, 0.05, space=Box(high=20.0), temperature=1.0)),
        ("permutation and sign", boxed(1, 0.05, scored=Lp(p=1, shape="norm"))),
        ("permutation and sign", boxed(3, 0.05**3)),
        ("permutation and sign", boxed(1.5, 0.05)),
        ("permutation and sign", boxed(1, 0.1, space=RealSpace(standardize=True, scale=12**-0.5))),
        ("orthogonal", boxed(2, 0.005, space=RealSpace())),
        ("orthogonal", boxed(2, 0.005, space=Box(learned=True))),
        ("orthogonal", boxed(2, 0.005, scored=Euclidean(), space=Box(high=3.0))),
        ("permutation and sign", boxed(2, 0.005, scored=Euclidean(), space=Box())),
        ("linear", inversion(CIRCLE, Cosine(), 0.1, Cosine(), Sphere(), head=5)),
        ("linear", inversion(PAIR, Diagonal(weights=(1.0, 3.0)), 0.01, Diagonal(), RealSpace(), 1.0)),
        ("linear", inversion(PAIR, Diagonal(weights=(1.0, 3.0)), 0.01, Euclidean(), RealSpace(), 1.0)),
        ("permutation and sign", inversion(CIRCLE, Diagonal(weights=(5.0, 9.0, 25.0)), 1.0, Diagonal(), Sphere(), 1.0)),
        ("orthogonal", inversion(CIRCLE, Diagonal(weights=(5.0, 5.0, 25.0)), 1.0, Diagonal(), Sphere(), 1.0)),
    ],
)
def test_matched_parts_promise_what_the_theorems_say(recovery, experiment):
    found = told(experiment)
    assert (found.recovery, found.otherwise) == (recovery, recovery)
    assert found.reason.endswith(".") and "arXiv" in found.source


MISMATCHED = [
    ("another law", boxed(1, 0.05, scored=Euclidean())),
    ("another law", boxed(2, 0.005, scored=Lp(p=1), space=RealSpace())),
    ("another law", boxed(1, 0.05, scored=Lp(p=3), space=Box(learned=True))),
    ("another law", boxed(2, 0.005, scored=Euclidean(shape="inverse"), space=RealSpace())),
    ("not alike", boxed(2, 0.005, scored=Euclidean(), space=Sphere())),
    ("not alike", boxed(1, 0.05, scored=Cosine(), space=Sphere())),
    ("does not fit pairs", inversion(CIRCLE, Cosine(), 0.1, Lp(p=1), RealSpace())),
    ("leaves their lengths", inversion(CIRCLE, Cosine(), 0.1, Cosine(), RealSpace())),
    ("projects it back", inversion(CIRCLE, Lp(p=1), 0.1, Cosine(), Sphere())),
    ("concentration kappa=10", inversion(CIRCLE, Cosine(), 0.1, Cosine(), Sphere(), 1.0)),
    ("a box 20 wide", boxed(1, 0.05, temperature=1.0)),
    ("standard deviation", boxed(1, 0.05, space=RealSpace(standardize=True), temperature=1.0)),
    ("cannot hold 3 latents", boxed(1, 0.05, head=2)),
    ("spread over several", boxed(1, 0.05, head=4)),
    ("p=0.5 < 1", boxed(0.5, 0.2)),
    ("R^d has no uniform law", inversion(Mixing(space=RealSpace(), dim=2), Lp(p=1), 0.1, Lp(p=1), RealSpace())),
    ("not uniform on", inversion(Mixing(space=Box(), marginal=Around(), dim=2), Lp(p=1), 0.1, Lp(p=1), Box())),
    (
        "not uniform on",
        inversion(Mixing(marginal=Around(similarity=Cosine()), dim=3), Cosine(), 0.1, Cosine(), Sphere()),
    ),
    ("relu loses", inversion(Mixing(activation="relu", dim=3), Cosine(), 0.1, Cosine(), Sphere())),
    ("alpha=0.3", spherical(10, alpha=0.3)),
    ("more than others", inversion(CIRCLE, Diagonal(weights=(5.0, 9.0, 25.0)), 1.0, Euclidean(), Sphere(), 1.0)),
    ("makes pairs whose law", methods.inversion.read(["data=Sprites", "pairing=Augmented", "encoder=Conv"])),
    ("are not known", methods.simclr()),
    ("not about CrossEntropy", methods.supervised()),
    ("wrap around", methods.inversion.read(SPRITES)),
    ("share their class", methods.inversion.read(SPRITES)),
]


@pytest.mark.parametrize(("said", "experiment"), MISMATCHED)
def test_broken_assumptions_are_said_and_promise_nothing(said, experiment):
    found = told(experiment)
    assert found.recovery == "none"
    assert any(said in sentence for sentence in found.violated), found.violated
    assert all(sentence.endswith((".", ")")) for sentence in found.violated)


@pytest.mark.parametrize(
    ("said", "change"),
    [
        ("StopGradient does not seek", {"teacher": "StopGradient"}),
        ("predictor", {"predictor": "Projection"}),
        ("is told the latents", {}),
    ],
)
def test_networks_that_the_theory_does_not_cover(said, change):
    words = [f"{field}={part}" for field, part in change.items()] or [
        "pairing=Labeled",
        "pairing.target=latents",
        "teacher=Labels",
        "space=Euclidean",
        "objective=MeanSquaredError",
    ]
    found = told(methods.inversion.read([*words, "data.layers=1"]))
    assert found.recovery == "none"
    assert said in " ".join((*found.violated, found.reason))


@pytest.mark.parametrize(
    ("said", "experiment"),
    [
        ("its own negatives", spherical(10, own=True)),
        ("denominator", spherical(10, denominator="negatives")),
        ("as many numbers as latents", inversion(CIRCLE, Cosine(), 0.1, Cosine(), Sphere(), head=5)),
    ],
)
def test_strained_assumptions_are_said_and_keep_the_promise(said, experiment):
    found = told(experiment)
    assert found.recovery != "none"
    assert any(said in sentence for sentence in found.violated)


@pytest.mark.parametrize(("said", "experiment"), MISMATCHED[:15])
def test_what_is_written_instead_repairs_it(said, experiment):
    """The words after "write" are arguments of the command line, and with them nothing is violated any more."""
    hints = [re.search(r"write (.+?)(,| or |\.$|\. )", text)[1] for text in told(experiment).violated]
    given = [word for hint in hints for word in hint.split()]
    assert given
    repaired = methods.inversion.read([*words_of(experiment), *given])
    assert told(repaired).violated == (), hints
    assert told(repaired).recovery != "none"


def words_of(experiment):
    method, *said = methods.words(experiment)
    assert method == "inversion"
    return said


@pytest.mark.parametrize("name", methods.known())
def test_every_method_can_be_checked(name):
    found = told(methods.known()[name]())
    assert found.reason and found.recovery in ("none", "linear", "orthogonal", "permutation and sign")


def test_objectives_of_which_something_is_known_are_there():
    assert set(KNOWN) <= set(parts.known(Objective))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("not normal", "objective=SIGReg space=Euclidean"),
        ("z plus noise", "objective=SIGReg space=Euclidean data.space=Euclidean pairing.similarity=Euclidean"),
        ("write objective.temperature=0.1.", "objective=MCInfoNCE space=VonMisesFisher"),
        ("not von Mises-Fisher", "objective=MCInfoNCE space=VonMisesFisher data.space=Box pairing.similarity=Lp"),
        ("latents for 7", "objective=MCInfoNCE space=VonMisesFisher objective.temperature=0.1 head.dim=7"),
    ],
)
def test_other_objectives_have_assumptions_of_their_own(said, words):
    found = told(methods.inversion.read(words.split()))
    assert (found.recovery, found.otherwise) == ("none", "orthogonal")
    assert any(said in sentence for sentence in found.violated), found.violated


def test_posteriors_that_fit_are_found_up_to_rotation():
    words = "objective=MCInfoNCE space=VonMisesFisher objective.temperature=0.1"
    assert told(methods.inversion.read(words.split())).recovery == "orthogonal"


OBSERVED = "data=Posteriors pairing=Observed objective=MCInfoNCE space=VonMisesFisher objective.temperature=0.05"


def test_ambiguous_observations_whose_posteriors_are_known_are_found_up_to_rotation():
    found = told(methods.inversion.read([*OBSERVED.split(), "head.dim=10"]))
    assert (found.recovery, found.violated) == ("orthogonal", ())
    assert not any("infinite" in note or "not checked" in note for note in found.notes)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("10 latents for 21 numbers; write head.dim=10.", ""),
        ("Pairs have kappa=50; write objective.temperature=0.02.", "head.dim=10 pairing.temperature=0.02"),
        ("A mixing with relu loses latents", "head.dim=10 data.activation=relu"),
        ("write objective=MCInfoNCE space=VonMisesFisher", "head.dim=10 objective=InfoNCE space=Sphere"),
    ],
)
def test_what_stands_against_finding_the_known_posteriors(said, words):
    given = {word.partition("=")[0]: word for word in [*OBSERVED.split(), *words.split()]}
    found = told(methods.inversion.read([*given.values()]))
    assert found.recovery == "none"
    assert any(said in sentence for sentence in found.violated), found.violated


def test_ranges_are_boxes_in_units_of_their_own():
    ranges = Ranges(low=(0.0, -1.0), high=(2.0, 3.0), periodic=(False, False), discrete=(False, False))
    here = facts(ranges, 2, Around(temperature=0.1, center=1.0), Lp(p=1), 0.1)
    there = facts(Box(), 2, Around(temperature=0.1, center=0.5), Lp(p=1), 0.1)
    assert here == pytest.approx(there)
    world = Mixing(space=ranges, dim=2, layers=1)
    assert told(inversion(world, Lp(p=1), 0.1, Lp(p=1), Box())).recovery == "permutation and sign"
    found = theory.check(inversion(world, Lp(p=1), 0.3, Lp(p=1), Box()))
    assert found.truth == pytest.approx(theory.check(boxed(1, 0.3, dim=2)).truth, abs=0.05)


def test_a_product_is_judged_block_by_block():
    world = Mixing(space=Product(split=2), dim=5, layers=1)
    law = Additive(first=Lp(p=1), second=Cosine(), split=2)
    good = inversion(world, law, 0.1, law, Product(split=2))
    assert told(good).recovery == "orthogonal"
    bad = inversion(world, law, 0.1, Additive(first=Lp(p=3), second=Cosine(), split=2), Product(split=2))
    assert told(bad).recovery == "none"
    assert "add up" in " ".join(told(inversion(world, law, 0.1, Lp(p=1), RealSpace())).violated)


def test_a_wrong_concentration_still_has_a_loss_at_the_truth():
    experiment = inversion(CIRCLE, Cosine(), 0.1, Cosine(), Sphere(), 1.0)
    found = theory.check(experiment)
    z = experiment.data.sample(64, torch.Generator().manual_seed(0))
    partner = Cosine().sample(z, 0.1, Sphere(), torch.Generator().manual_seed(1))
    one = float(experiment.objective(z, partner, torch.arange(64)).total)
    assert found.truth == pytest.approx(one, abs=0.3)
    assert found.truth > found.least + 0.5


# Pairs of another law.


def unnominal(pairing, data, **options):
    """Inversion of the latents of stored rows, which are their own observations."""
    how = InfoNCE(similarity=Lp(p=2), temperature=0.01)
    return methods.inversion(data=data, pairing=pairing, objective=how, space=Box(), batch=16, **options)


def test_pairs_of_stored_rows_are_not_of_the_nominal_law():
    found = theory.check(unnominal(Conditional(similarity=Lp(p=2), temperature=0.01), _Points()))
    assert found.recovery == "none"
    assert found.otherwise == "orthogonal"
    assert any("stored rows nearest to what is drawn" in why and "render=FOLDER" in why for why in found.violated)
    assert found.information is None and found.truth is None


def test_content_is_promised_as_a_block():
    found = told(unnominal(Content(content=("kind", "size")), _Crossed(), **{"head.dim": 2}))
    assert found.recovery == "none"
    assert "content (kind, size) is identified as a block, up to an invertible map" in found.reason
    assert found.violated == ()
    found = told(unnominal(Content(content=("x",)), _Points(), **{"head.dim": 2}))
    assert any("write head.dim=1" in why for why in found.violated)
    assert any("x of a stored pair are only near" in why for why in found.violated)


@pytest.mark.parametrize("pairing", [Neighbors(), Temporal(), Pairs(table="pairs.csv")])
def test_pairs_without_a_similarity_promise_nothing(pairing):
    found = drawn_otherwise(pairing)
    assert found.recovery == "none"
    assert len(found.broken) == 1


def test_neighbors_of_a_grid_say_so():
    found = told(unnominal(Neighbors(), _Crossed()))
    assert found.recovery == found.otherwise == "none"
    assert any("no similarity of the objective has it" in why for why in found.violated)


def test_latents_that_depend_on_each_other_void_the_theorem():
    plain, causal = (methods.get("threedident").read(words) for words in ([], ["data.law=causal"]))
    assert not theory.check(plain).violated
    assert any("depend on each other" in why for why in theory.check(causal).violated)
