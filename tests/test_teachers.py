import math

import pytest
import torch
from torch import nn

from kontrast import heads, objectives, teachers
from kontrast.model import Model, Student
from kontrast.spaces import Euclidean, Sphere
from kontrast.teachers import Momentum, StopGradient
from kontrast.training import Trainer
from kontrast.views import Views

from small import digits

X, Y = torch.rand(2, 8, 5, generator=torch.Generator().manual_seed(0)).unbind(0)
VIEWS = Views((X, Y), torch.arange(8))


def student(space=None):
    return Student(nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4)), nn.Linear(4, 3), space or Euclidean(), 3)


def test_the_student_answers_from_the_pass_in_which_it_was_asked():
    passes = []
    network = student(Sphere())
    network.encoder.register_forward_hook(lambda *_: passes.append(1))
    model = Model(network, StopGradient(), objectives.Alignment().build(3), heads.Linear().build(3, 3), joint=False)
    output = model(VIEWS)
    assert len(passes) == 2
    torch.testing.assert_close(output.answers[0], network(X))


def test_the_share_rises_by_half_a_cosine_from_rate_to_final():
    teacher = Momentum(rate=0.9, final=1.0)
    assert teacher.at(0, 100) == pytest.approx(0.9)
    assert teacher.at(50, 100) == pytest.approx(0.95)
    assert teacher.at(100, 100) == pytest.approx(1.0)
    # As in the paper, with tau_base = .996.
    byol = [1 - (1 - 0.996) * (math.cos(math.pi * k / 30) + 1) / 2 for k in range(30)]
    assert [Momentum(rate=0.996).at(k, 30) for k in range(30)] == pytest.approx(byol)


def test_parameters_move_by_the_share_and_buffers_all_the_way():
    network = student()
    teacher = Momentum(rate=0.8, final=0.9).build(network)
    start = [parameter.clone() for parameter in teacher.parameters()]
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1.0)
    network(X)
    for step in (1, 2):
        teacher.follow(step, 2)
    shares = 0.8 * 0.85
    for mine, before, theirs in zip(teacher.parameters(), start, network.parameters(), strict=True):
        torch.testing.assert_close(mine, shares * before + (1 - shares) * theirs)
    for mine, theirs in zip(teacher.buffers(), network.buffers(), strict=True):
        assert torch.equal(mine, theirs)


def test_a_share_of_one_never_moves_and_of_zero_is_the_student():
    network = student()
    still, same = Momentum(rate=1.0).build(network), Momentum(rate=0.0, final=0.0).build(network)
    before = [parameter.clone() for parameter in network.parameters()]
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(2.0)
    still.follow(1, 4)
    same.follow(1, 4)
    assert all(torch.equal(mine, value) for mine, value in zip(still.parameters(), before, strict=True))
    assert all(torch.equal(x, y) for x, y in zip(same.parameters(), network.parameters(), strict=True))


def test_in_training_the_average_normalizes_each_view_by_itself():
    network = student()
    model = Model(network, Momentum(), objectives.Alignment().build(3), joint=True)
    answers = model(VIEWS).answers
    torch.testing.assert_close(answers[0], network(X))
    torch.testing.assert_close(answers[1], network(Y))
    model.eval()
    assert not torch.allclose(model(VIEWS).answers[0], answers[0])


def test_the_average_learns_no_radius_of_its_own():
    teacher = Momentum(rate=0.0, final=0.0).build(network := student(Sphere(learned=True)))
    with torch.no_grad():
        network.into.log_radius.fill_(2.0)
    teacher.follow(1, 2)
    assert teacher.average.into.log_radius.item() == 2.0
    assert not teacher.average.into.log_radius.requires_grad


@pytest.mark.parametrize("name", ["rate", "final"])
@pytest.mark.parametrize("share", [-0.1, 1.1, math.nan])
def test_shares_are_shares(name, share):
    with pytest.raises(ValueError, match=f"write {name}=0.99"):
        Momentum(**{name: share})


@pytest.mark.parametrize("teacher", [StopGradient(), Momentum(rate=0.5)], ids=repr)
def test_training_moves_the_student_and_then_its_average(teacher):
    made = digits(
        teacher=teacher,
        predictor=heads.Projection(hidden=8),
        objective=objectives.Alignment(),
        joint=False,
        steps=4,
        online=False,
    )
    trainer = Trainer(made, torch.device("cpu"))
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    for _ in range(2):
        trainer.advance()
    moved = {name for name, value in trainer.model.state_dict().items() if not torch.equal(value, before[name])}
    assert any(name.startswith("student.encoder") for name in moved)
    assert any(name.startswith("predictor.") for name in moved)
    average = {name for name in before if name.startswith("teacher.average.")}
    assert average <= moved
    assert bool(average) == isinstance(teacher, teachers.Momentum)
    assert not {id(p) for p in trainer.model.teacher.parameters()} & {id(p) for p in trainer.learned}
