"""What holds for every teacher, whoever answers."""

import copy

import chz
import pytest
import torch
from torch import nn

from kontrast import parts
from kontrast.model import Model, Student
from kontrast.objectives import Alignment
from kontrast.spaces import Sphere
from kontrast.teachers import Labels, Momentum, Shared, StopGradient, Teacher
from kontrast.views import Views

EVERY = [Labels(), Momentum(), Momentum(rate=0.5, final=0.9), Shared(), StopGradient()]
PASSING = (Shared,)
every = pytest.mark.parametrize("teacher", EVERY, ids=repr)
N = 8


def test_every_teacher_is_covered():
    assert {type(teacher).__name__ for teacher in EVERY} == set(parts.known(Teacher))


def views(teacher, asking=(0, 1), answering=(0, 1)):
    generator = torch.Generator().manual_seed(0)
    pictures = [torch.rand(N, 5, generator=generator) for _ in range(3)]
    if isinstance(teacher, Labels):
        return Views((pictures[0], torch.arange(N)), torch.arange(N), asking=(0,), answering=(1,))
    return Views(tuple(pictures), torch.arange(N), asking, answering)


def model(teacher, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        student = Student(nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4)), nn.Linear(4, 3), Sphere(), 3)
        return Model(student, teacher, Alignment().build(3), nn.Linear(3, 3), joint=False)


@every
@pytest.mark.parametrize("answering", [(0, 1), (1, 0), (2,), (1, 2)])
def test_there_is_one_answer_about_each_answering_view_in_their_order(teacher, answering):
    made = model(teacher).eval()
    given = views(teacher, answering=answering)
    answers = made(given).answers
    assert len(answers) == len(given.answering)
    for view, answer in zip(given.answering, answers, strict=True):
        # Before the first step all teachers that are networks say what the student does.
        expected = given.views[view] if isinstance(teacher, Labels) else made.student(given.views[view])
        torch.testing.assert_close(answer, expected)


@every
def test_gradients_reach_the_answers_of_the_student_alone(teacher):
    made = model(teacher)
    output = made(views(teacher))
    assert all(answer.requires_grad == isinstance(teacher, PASSING) for answer in output.answers)
    assert not any(parameter.requires_grad for parameter in made.teacher.parameters())
    (output.asked[0].sum() + sum(answer.float().sum() for answer in output.answers)).backward()
    assert all(parameter.grad is None for parameter in made.teacher.parameters())


@every
def test_only_what_is_learned_goes_to_the_optimizer(teacher):
    made = model(teacher)
    given = {id(parameter) for group in made.groups(None, 1.0) for parameter in group.parameters}
    assert given == {id(p) for part in (made.student, made.predictor, made.criterion) for p in part.parameters()}


@every
def test_following_moves_the_teacher_alone(teacher):
    made = model(teacher)
    made(views(teacher))
    with torch.no_grad():
        for parameter in made.student.parameters():
            parameter.add_(0.1)
    before = copy.deepcopy(made.state_dict())
    made.teacher.follow(3, 10)
    after = made.state_dict()
    moved = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert all(name.startswith("teacher.") for name in moved)
    weights = {name for name in after if name.startswith("teacher.")}
    assert bool(weights) == bool(moved)


@every
def test_what_a_teacher_keeps_is_its_own_and_survives_saving(teacher):
    made, again = model(teacher), model(teacher, seed=1)
    for step in range(1, 4):
        made(views(teacher))
        with torch.no_grad():
            for parameter in made.student.parameters():
                parameter.mul_(0.9)
        made.teacher.follow(step, 5)
    state = made.state_dict()
    pointers = [value.data_ptr() for value in state.values()]
    assert len(set(pointers)) == len(pointers)
    again.load_state_dict(state)
    for name, value in again.state_dict().items():
        assert torch.equal(value, state[name])
    for here, there in ((made, again), (made.eval(), again.eval())):
        one, other = here(views(teacher)).answers, there(views(teacher)).answers
        assert all(torch.equal(x, y) for x, y in zip(one, other, strict=True))
        there.train(here.training)


@every
def test_it_is_a_value_that_explains_itself(teacher):
    assert hash(teacher) == hash(chz.replace(teacher))
    assert parts.summary(type(teacher)).endswith(".")
    assert all(field._doc for field in chz.chz_fields(teacher).values())
