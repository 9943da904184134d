"""Micro-batches: the gradient of the whole batch, or the mean of those of smaller ones."""

import copy

import pytest
import torch
from torch import nn

from kontrast import methods
from kontrast.datasets import Digits
from kontrast.draws import Draws
from kontrast.encoders import Conv, Mlp
from kontrast.heads import Linear, Projection
from kontrast.objectives import InfoNCE
from kontrast.similarities import Mahalanobis
from kontrast.spaces import Sphere
from kontrast.teachers import Momentum, StopGradient
from kontrast.training import NonFinite, Trainer, accumulation

from criteria import ROWS, Case, Small, apart, cases, rows_of, views_of
from small import digits, latents

CPU = torch.device("cpu")
PREDICTED = {"predictor": Linear(), "objective": InfoNCE(candidates="cross")}


def supervised(**changes):
    encoder = Conv(width=4, batch_norm=False)
    return methods.supervised(**{"data": Digits(), "encoder": encoder, "batch": 64, "steps": 12, **changes})


NETWORKS = {
    "shared": lambda **changes: digits(**{"head.norm": False}, encoder=Conv(width=4, batch_norm=False), **changes),
    "stop-gradient": lambda **changes: latents(teacher=StopGradient(), **PREDICTED, **changes),
    "momentum": lambda **changes: latents(teacher=Momentum(), **PREDICTED, **changes),
    "labels": supervised,
    "learned": lambda **changes: latents(**{"objective.learn_temperature": True}, **changes),
    "dropout": lambda **changes: latents(encoder=Mlp(widths=(4, 4), dropout=0.3), **changes),
}


def names(values):
    return [value.name for value in values]


def gradient_of(model, run):
    loss, output = run(model)
    return loss.total.detach(), model.gradient(), output


@pytest.mark.parametrize("case", cases(), ids=names(cases()))
@pytest.mark.parametrize(("kind", "tolerance", "micro"), [(torch.float64, 1e-12, 1), (torch.float32, 1e-6, 12)])
def test_exact_micro_batches_give_the_gradient_of_the_whole_batch(case, kind, tolerance, micro):
    views = views_of(case, kind)
    carried = any(answer.requires_grad for answer in Small(case, kind)(views).answers)
    total, whole, one = gradient_of(Small(case, kind), lambda model: accumulation.plain(model, model.criterion, views))
    cached_total, cached, output = gradient_of(
        Small(case, kind), lambda model: accumulation.exact(model, model.criterion, views, micro, carried, [])
    )
    assert any(bool(value.any()) for value in whole.values())
    assert apart({"loss": cached_total}, {"loss": total}) <= tolerance
    for learned in (False, True):
        some = {name: value for name, value in cached.items() if name.startswith("criterion.") == learned}
        assert apart(some, whole) <= tolerance
    assert [z.shape for z in output.asked] == [z.shape for z in one.asked]
    assert [x is y for x in output.asked for y in output.answers] == [x is y for x in one.asked for y in one.answers]


def test_plain_micro_batches_are_batches_of_their_own():
    case = Case(InfoNCE(), Sphere())
    views = views_of(case, torch.float64)
    _, whole, _ = gradient_of(Small(case, torch.float64), lambda m: accumulation.plain(m, m.criterion, views))
    total, found, output = gradient_of(
        Small(case, torch.float64), lambda m: accumulation.plain(m, m.criterion, views, ROWS // 3)
    )
    apiece = []
    for start in range(0, ROWS, ROWS // 3):
        part = rows_of(views, slice(start, start + ROWS // 3))
        apiece.append(gradient_of(Small(case, torch.float64), lambda m: accumulation.plain(m, m.criterion, part))[:2])  # noqa: B023
    mean = {name: torch.stack([gradient[name] for _, gradient in apiece]).mean(0) for name in found}
    assert apart(found, mean) < 1e-14
    assert total == pytest.approx(float(torch.stack([each for each, _ in apiece]).mean()))
    assert apart(found, whole) > 0.01
    assert len(output.asked[0]) == ROWS


def stepped(experiment, steps=1):
    trainer = Trainer(experiment, CPU)
    for _ in range(steps):
        loss, norm = trainer.advance()
    return trainer, loss, norm


def gradients(trainer):
    return {name: value.grad for name, value in trainer.model.named_parameters() if value.grad is not None}


@pytest.mark.parametrize("name", sorted(set(NETWORKS) - {"dropout"}))
def test_a_trainer_takes_the_same_step_from_micro_batches(name):
    whole, loss, norm = stepped(NETWORKS[name]())
    cached, cached_loss, cached_norm = stepped(NETWORKS[name](micro=16))
    alone, alone_loss, _ = stepped(NETWORKS[name](micro=16, accumulation="plain"))
    assert gradients(cached).keys() == gradients(whole).keys() == gradients(alone).keys()
    assert apart(gradients(cached), gradients(whole)) <= 1e-6
    assert apart({"loss": cached_loss.total.detach()}, {"loss": loss.total.detach()}) <= 1e-6
    assert float(cached_norm) == pytest.approx(float(norm), rel=1e-6)
    assert cached_loss.parts.keys() == loss.parts.keys() == alone_loss.parts.keys()
    assert cached_loss.measures.keys() == loss.measures.keys()


def test_micro_batches_of_the_whole_batch_change_no_bit():
    whole, _, _ = stepped(digits(), 3)
    for how in ("exact", "plain"):
        other, _, _ = stepped(digits(micro=64, accumulation=how), 3)
        assert all(torch.equal(value, whole.tensors()[name]) for name, value in other.tensors().items())


def batch_of(trainer):
    """The things and the views of the first step."""
    experiment = trainer.experiment
    draws = Draws(experiment.seed, 0, experiment.batch)
    things = trainer.source.batch(draws)
    return things, experiment.pairing(things, trainer.source, draws)


def watched(trainer):
    """The outputs of the model and of a momentum teacher's network, as they come."""
    outputs, answered = [], []
    trainer.model.register_forward_hook(lambda *call: outputs.append(call[2]))
    if hasattr(trainer.model.teacher, "average"):
        trainer.model.teacher.average.register_forward_hook(lambda *call: answered.append(call[2]))
    return outputs, answered


@pytest.mark.parametrize("name", ["dropout", "shared"])
def test_both_passes_see_the_same_embeddings(name):
    trainer = Trainer(NETWORKS[name](micro=16), CPU)
    outputs, _ = watched(trainer)
    trainer.advance()
    first, second = outputs[:4], outputs[4:]
    assert len(second) == 4
    for one, other in zip(first, second, strict=True):
        assert not one.asked[0].requires_grad and other.asked[0].requires_grad
        assert all(torch.equal(x, y) for x, y in zip(one.asked, other.asked, strict=True))
    if name == "dropout":
        assert not torch.equal(first[0].asked[0], trainer.model(rows_of(batch_of(trainer)[1], slice(0, 16))).asked[0])


def test_with_dropout_the_gradient_is_that_of_the_masks_drawn():
    trainer = Trainer(NETWORKS["dropout"](micro=16), CPU)
    views = batch_of(trainer)[1]
    outputs = [trainer.embed(part, number) for number, part in enumerate(accumulation.split(views, 16))]
    output = accumulation.joined(outputs)
    trainer.model.criterion(output.asked, output.answers, views).total.backward()
    expected = {name: value.clone() for name, value in gradients(trainer).items()}
    trainer.advance()
    assert apart(gradients(trainer), expected) <= 1e-6


@pytest.mark.parametrize("name", ["stop-gradient", "momentum", "labels"])
def test_answers_without_gradient_are_made_once(name):
    trainer = Trainer(NETWORKS[name](micro=16), CPU)
    assert not trainer.carried
    outputs, answered = watched(trainer)
    trainer.advance()
    assert [len(output.answers) > 0 for output in outputs] == [True] * 4 + [False] * 4
    assert len(answered) == (8 if name == "momentum" else 0)


@pytest.mark.parametrize(("how", "teacher"), [("exact", None), ("plain", None), ("exact", Momentum())])
def test_running_statistics_move_once_for_each_micro_batch(how, teacher):
    changes = {} if teacher is None else {"teacher": teacher, "predictor": Projection(hidden=8)}
    trainer = Trainer(digits(micro=16, accumulation=how, **changes), CPU)
    network = copy.deepcopy(trainer.model)
    for part in accumulation.split(batch_of(trainer)[1], 16):
        network(part)
    trainer.advance()
    moved = {name: value for name, value in trainer.model.named_buffers() if not name.startswith("teacher.")}
    expected = dict(network.named_buffers())
    assert any("running_mean" in name for name in moved)
    assert all(torch.equal(value, expected[name]) for name, value in moved.items())
    counted = [int(value) for name, value in moved.items() if name.endswith("num_batches_tracked")]
    assert set(counted) <= {4, 8}  # a predictor sees each view by itself


class _Power(nn.Module):
    """A layer whose forward pass both uses and moves a buffer, as spectral normalization's does."""

    def __init__(self):
        super().__init__()
        self.register_buffer("count", torch.ones(()))

    def forward(self, x):
        if self.training:
            self.count += 1
        return x * self.count


def test_what_a_forward_pass_moves_is_found_as_it_was(monkeypatch):
    build = Conv.build
    monkeypatch.setattr(Conv, "build", lambda part, shape: _counting(*build(part, shape)))
    trainer = Trainer(NETWORKS["shared"](micro=16), CPU)
    outputs, _ = watched(trainer)
    trainer.advance()
    assert all(torch.equal(x.asked[0], y.asked[0]) for x, y in zip(outputs[:4], outputs[4:], strict=True))
    assert float(trainer.model.student.encoder[1].count) == 5


def _counting(network, features):
    return nn.Sequential(network, _Power()), features


def test_micro_batches_stop_before_the_update_and_name_the_rows(monkeypatch):
    trainer = Trainer(latents(micro=16), CPU)
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    embed = Trainer.embed

    def poisoned(trainer, views, number):
        output = embed(trainer, views, number)
        if number != 2:
            return output
        spoiled = torch.where((torch.arange(16) == 5)[:, None], torch.nan, output.asked[0])
        return output._replace(asked=(spoiled, output.asked[1]))

    monkeypatch.setattr(Trainer, "embed", poisoned)
    row = int(batch_of(trainer)[0].index[2 * 16 + 5])
    with pytest.raises(NonFinite, match=rf"rows \[{row}\]"):
        trainer.advance()
    assert all(torch.equal(value, before[name]) for name, value in trainer.model.state_dict().items())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"micro": 24}, "micro divides batch=64, which 24 does not; write micro=16"),
        ({"micro": 0}, "micro divides batch=64, which 0 does not; write micro=2"),
        ({"micro": 128}, "micro divides batch=64, which 128 does not; write micro=64"),
        ({"micro": 1, "accumulation": "plain"}, "write accumulation=exact, or micro=2"),
        (
            {"micro": 2, "accumulation": "plain", "objective.similarity": Mahalanobis(), "head.dim": 8},
            "2 rows of 8 dimensions",
        ),
    ],
)
def test_micro_batches_that_cannot_be_are_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        digits(**changes)


def test_exact_micro_batches_are_compared_as_one_batch():
    experiment = digits(**{"micro": 2, "objective.similarity": Mahalanobis(), "head.dim": 8})
    assert experiment.compared == 64
    assert digits(micro=8, accumulation="plain").compared == 8
    assert digits(micro=1).compared == 64
