"""What a run says of gradients, ranks and collapse: against definitions written out, and on runs that do collapse."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from kontrast import methods, train
from kontrast.datasets import Digits
from kontrast.encoders import Conv, ResNet
from kontrast.schedules import Constant
from kontrast.spaces import Euclidean, Sphere
from kontrast.training import Trainer
from kontrast.training.watch import BLOCKS, Watch, blocks, collapse, flow, rankme, spread

from small import digits


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def rows(out):
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("shape", [(40, 7), (7, 40), (30, 30)])
def test_rankme_is_the_published_equation(shape):
    z = drawn(*shape).double()
    singular = np.linalg.svd(z.numpy(), compute_uv=False)
    p = singular / singular.sum() + 1e-7
    assert rankme(z) == pytest.approx(math.exp(-(p * np.log(p)).sum()), rel=1e-6)


@given(st.integers(1, 8), st.floats(1e-3, 1e3))
def test_rankme_counts_orthogonal_directions_of_equal_length(rank, scale):
    z = torch.zeros(20, 9)
    z[torch.arange(20), torch.arange(20) % rank] = scale
    counts = torch.bincount(torch.arange(20) % rank).double().sqrt()
    p = counts / counts.sum()
    assert rankme(z) == pytest.approx(float((-(p * p.log()).sum()).exp()), rel=1e-4)


def test_rankme_of_nothing_and_of_numbers_that_are_none_is_a_number():
    assert math.isfinite(rankme(torch.zeros(5, 3)))
    assert math.isfinite(rankme(torch.tensor([[1.0, float("nan")], [2.0, 1.0]])))


def test_the_spread_is_one_for_uniform_directions_and_zero_for_one():
    assert spread(drawn(4000, 32)) == pytest.approx(1, abs=0.02)
    assert spread(drawn(1, 32).expand(50, 32)) == pytest.approx(0, abs=1e-6)
    z = nn.functional.normalize(drawn(300, 16))
    assert spread(5 * z) == pytest.approx(float(z.std(0).mean()) * 4)


def test_a_residual_network_is_shown_by_its_stages_and_every_parameter_once():
    model = methods.simsiam(data=Digits(), encoder=ResNet(width=4)).model()
    found = blocks(model)
    assert [*found] == ["conv1", "layer1", "layer2", "layer3", "layer4", "head", "predictor"]
    shown = [id(p) for block in found.values() for p in block]
    assert sorted(shown) == sorted(id(p) for p in model.parameters() if p.requires_grad)


def test_an_encoder_of_many_modules_is_shown_as_few_blocks():
    model = digits(encoder=Conv(width=4)).model()
    model.student.encoder = nn.Sequential(*[layer for _ in range(20) for layer in (nn.Linear(3, 3), nn.ReLU())])
    found = blocks(model)
    assert next(iter(found)) == "encoder.0-4"
    assert len([name for name in found if name.startswith("encoder")]) == BLOCKS


def test_gradients_and_updates_are_those_of_the_step():
    trainer = Trainer(digits(**{"optimizer.rate": 0.1, "steps": 3, "schedule": Constant()}), torch.device("cpu"))
    watch = Watch(trainer, print)
    old = {name: p.detach().clone() for name, p in trainer.model.named_parameters()}
    watch.before()
    _, norm = trainer.advance()
    found = watch.row()
    squares = sum(value**2 for name, value in found.items() if name.startswith("gradient/"))
    assert math.sqrt(squares) == pytest.approx(float(norm), rel=1e-5)
    new, head = dict(trainer.model.named_parameters()), [name for name in old if name.startswith("student.head.")]
    moved = sum(float((new[name].detach() - old[name]).square().sum()) for name in head)
    assert found["update/head"] == pytest.approx(math.sqrt(moved / sum(float(old[n].square().sum()) for n in head)))
    assert found["update/head"] > 0


def test_a_block_without_a_gradient_is_left_out():
    parameter = nn.Parameter(torch.ones(2))
    assert flow({"a": [parameter]}, {}) == {}


@pytest.mark.parametrize(
    ("std", "rank", "space", "dim", "width", "things", "said"),
    [
        (0.9, 40, Sphere(), 128, 1.0, 128, None),
        (0.01, 3, Sphere(), 128, 1.0, 128, "one point"),
        (0.01, 3, Euclidean(), 128, 1.0, 128, None),
        (0.01, 3, Euclidean(), 128, 0.005, 128, "one point"),
        (0.0, 1, Sphere(), 1, 1.0, 128, None),
        (0.9, 1.2, Sphere(), 128, 1.0, 128, "one line"),
        (0.9, 1.2, Sphere(), 8, 1.0, 128, None),
        (0.9, 1.2, Sphere(), 128, 1.0, 2, None),
    ],
)
def test_the_rules_of_the_alarm(std, rank, space, dim, width, things, said):
    found = collapse({"std/embedding": std, "rank/embedding": rank}, space, dim, width, things)
    assert (found is None) if said is None else (said in found)


COLLAPSING = {
    "predictor_schedule": None,
    "head.last_norm": "none",
    "head.norm": False,
    "predictor.norm": False,
    "optimizer.rate": 1e-2,
}
"""SimSiam without any batch normalization and with a high rate: a known way to one point."""


def test_a_run_that_collapses_says_so_once_and_records_it(tmp_path, capsys):
    small = {"data": Digits(), "encoder": Conv(width=4), "batch": 64, "epochs": None, "steps": 160, "online": False}
    run = train(methods.simsiam(**small, **COLLAPSING), tmp_path / "run", threads=1)
    alarms = [row["alarm/collapse"] for row in rows(run.path)]
    assert alarms[0] == 0
    assert alarms[-1] == 1
    assert sorted(alarms) == alarms
    said = capsys.readouterr().err
    assert said.count("collapse at step") == 1
    assert "lower optimizer.rate" in said


OTHERS = ("supcon", "byol", "vicreg", "barlow_twins", "probabilistic", "mcinfonce", "sigreg")


@pytest.mark.parametrize(
    "method", ["simclr", "simsiam", *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)]
)
def test_healthy_runs_raise_no_alarm(method, tmp_path, capsys):
    small = {"data": Digits(), "encoder": Conv(width=4, batch_norm=True), "batch": 64, "epochs": None, "steps": 130}
    run = train(methods.get(method)(**small, online=False), tmp_path / "run", threads=1)
    assert {row["alarm/collapse"] for row in rows(run.path)} == {0.0}
    assert min(row["std/embedding"] for row in rows(run.path)[20:]) > 0.1
    assert "collapse" not in capsys.readouterr().err


def test_embeddings_far_from_the_origin_are_no_collapse(tmp_path):
    """The published inversion lets its embeddings drift: only their differences mean anything."""
    run = train(methods.cl_ica(batch=128, steps=130, online=False), tmp_path / "run", threads=1)
    assert {row["alarm/collapse"] for row in rows(run.path)} == {0.0}


def test_watching_changes_nothing(tmp_path):
    """The parameters are those of a trainer that nobody watches."""
    run = train(digits(steps=5), tmp_path / "run", threads=1)
    trainer = Trainer(digits(steps=5), torch.device("cpu"))
    for _ in range(5):
        trainer.advance()
    tensors = run.checkpoint().tensors
    for name, value in trainer.model.state_dict().items():
        assert torch.equal(tensors[f"model.{name}"], value)
