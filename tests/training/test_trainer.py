"""A trainer on its own: what it rehearses, and what it draws."""

import pytest
import torch

from kontrast.encoders import Mlp
from kontrast.objectives import InfoNCE
from kontrast.similarities import LatentClass, Mahalanobis
from kontrast.spaces import Euclidean, Simplex
from kontrast.training import Trainer
from kontrast.views import Views

from criteria import Small, cases, views_of
from small import digits, latents

CPU = torch.device("cpu")


def names(values):
    return [value.name for value in values]


@pytest.mark.parametrize("case", cases(), ids=names(cases()))
def test_nothing_that_a_criterion_keeps_moves_in_evaluation(case):
    model, views = Small(case, torch.float32).eval(), views_of(case, torch.float32)
    before = {name: value.clone() for name, value in model.named_buffers()}
    output = model(views)
    first = model.criterion(output.asked, output.answers, views)
    second = model.criterion(output.asked, output.answers, views)
    assert torch.equal(first.total, second.total)
    assert all(torch.equal(value, before[name]) for name, value in model.named_buffers())


@pytest.mark.parametrize(
    "changes",
    [
        {"objective": InfoNCE(similarity=Mahalanobis(covariance="running")), "space": Euclidean()},
        {"objective": InfoNCE(similarity=LatentClass(prior=True)), "space": Simplex()},
        {"head.last_norm": True},
    ],
)
def test_a_rehearsal_learns_nothing(changes):
    experiment = digits(**changes)
    fresh = experiment.model().state_dict()
    rehearsed = Trainer(experiment, CPU).model
    assert rehearsed.training
    assert all(torch.equal(value, fresh[name]) for name, value in rehearsed.state_dict().items())
    assert all(parameter.grad is None for parameter in rehearsed.parameters())


def test_a_rehearsal_takes_as_many_rows_as_the_objective_needs():
    """Eight rows of two views do not determine a covariance in 20 dimensions, and a batch of 64 does."""
    changes = {"objective.similarity": Mahalanobis(), "objective.candidates": "cross"}
    experiment = digits(**changes, **{"head.dim": 20, "head.hidden": 64})
    trainer = Trainer(experiment, CPU)
    trainer.advance()
    assert trainer.step == 1


def dropping(seed=0):
    return Trainer(latents(encoder=Mlp(widths=(4, 4), dropout=0.5), seed=seed), CPU)


def test_what_the_network_draws_is_a_function_of_seed_and_step():
    torch.manual_seed(1)
    one, before = dropping(), torch.get_rng_state()
    found = [float(one.advance()[0].total.detach()) for _ in range(3)]
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    other = dropping()
    torch.rand(7)
    assert [float(other.advance()[0].total.detach()) for _ in range(3)] == found
    apart = dropping(seed=1)
    assert float(apart.advance()[0].total.detach()) != found[0]


def test_every_step_and_micro_batch_draws_for_itself():
    trainer = dropping()
    dropout, seen = torch.nn.Dropout(0.5), []
    trainer.model.forward = lambda views: seen.append(dropout(torch.ones(100)))
    for step, number in ((0, 0), (0, 1), (1, 0), (0, 0)):
        trainer.step = step
        trainer.embed(Views((), torch.arange(1)), number)
    assert torch.equal(seen[0], seen[3])
    assert not any(torch.equal(seen[i], seen[j]) for i, j in ((0, 1), (0, 2), (1, 2)))
