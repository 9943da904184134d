import torch
from torch import nn

from kontrast import heads
from kontrast.model import Model, Student
from kontrast.objectives import InfoNCE
from kontrast.spaces import Euclidean, Sphere
from kontrast.teachers import Labels, Shared
from kontrast.views import Views

from small import digits

X, Y = torch.rand(2, 8, 5).unbind(0)
VIEWS = Views((X, Y), torch.arange(8))


def student(space):
    return Student(nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4)), nn.Linear(4, 3), space, 3)


def model_of(network, teacher, **options):
    return Model(network, teacher, InfoNCE().build(3), **options)


def test_asked_and_answered_are_the_same_embedding_where_the_student_answers():
    model = model_of(student(Sphere()), Shared())
    output = model(VIEWS)
    assert all(torch.equal(asked, answer) for asked, answer in zip(output.asked, output.answers, strict=True))
    torch.testing.assert_close(output.asked[0].norm(dim=1), torch.ones(8))
    assert output.features.shape == (8, 4)


def test_joint_views_share_their_batch_statistics_and_separate_ones_do_not():
    network = student(Euclidean())
    together = model_of(network, Shared(), joint=True)(VIEWS).asked[0]
    apart = model_of(network, Shared(), joint=False)(VIEWS).asked[0]
    torch.testing.assert_close(together, network(torch.cat([X, Y]))[:8])
    torch.testing.assert_close(apart, network(X))
    assert not torch.allclose(together, apart)


def test_each_view_passes_once_however_often_it_is_asked_for():
    passes = []
    network = student(Euclidean())
    network.encoder.register_forward_hook(lambda *_: passes.append(1))
    model_of(network, Shared(), joint=False)(VIEWS)
    assert len(passes) == 2


def test_given_answers_are_taken_as_they_are():
    target = torch.arange(8)
    views = Views((X, target), target, asking=(0,), answering=(1,))
    output = model_of(student(Euclidean()), Labels())(views)
    assert output.answers == (target,)
    assert len(output.asked) == 1


def test_a_predictor_turns_embeddings_into_questions_and_leaves_answers_alone():
    predictor = heads.Linear().build(3, 3)
    model = model_of(student(Sphere()), Shared(), predictor=predictor)
    output = model(VIEWS)
    assert not torch.equal(output.asked[0], output.answers[0])
    torch.testing.assert_close(output.asked[0].norm(dim=1), torch.ones(8))


def test_pictures_may_be_bytes_or_shares():
    network = digits().model().student.eval()
    pictures = torch.randint(0, 256, (3, 1, 8, 8), dtype=torch.uint8)
    torch.testing.assert_close(network(pictures), network(pictures.float() / 255))


def test_evaluation_changes_no_buffer():
    network = digits().model().student.eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network(torch.rand(4, 1, 8, 8))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
