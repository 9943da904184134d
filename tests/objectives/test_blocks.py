import pytest
import torch

from kontrast.objectives import (
    Alignment,
    AlignmentUniformity,
    Blocks,
    Criterion,
    CrossEntropy,
    InfoNCE,
    SIGReg,
    VICReg,
)
from kontrast.similarities import Cosine, Diagonal, Lp
from kontrast.spaces import Box, Euclidean, Product, Simplex, Sphere
from kontrast.views import Views

from golden import LABELS, A, B

KEY = torch.arange(6)
BOTH = Views((), KEY)
POSITIONS, DIRECTIONS = InfoNCE(similarity=Lp(p=1)), InfoNCE(similarity=Cosine(), temperature=0.5)


@pytest.mark.parametrize("key", [KEY, LABELS], ids=["index", "label"])
@pytest.mark.parametrize("second", [DIRECTIONS, VICReg(), SIGReg(), AlignmentUniformity(), Alignment()], ids=repr)
def test_it_is_the_sum_over_its_blocks(second, key):
    objective = Blocks(first=POSITIONS, second=second, split=1, weight=0.3)
    views = Views((), key)
    one, two = tuple(z[:, :1] for z in (A, B)), tuple(z[:, 1:] for z in (A, B))
    expected = POSITIONS.agree(one, one, views).total + 0.3 * second.agree(two, two, views).total
    for loss in (objective.agree((A, B), (A, B), views), objective.build(4).eval()((A, B), (A, B), views)):
        torch.testing.assert_close(loss.total, expected)
        torch.testing.assert_close(torch.stack([*loss.parts.values()]).sum(), loss.total.detach())
    direct = POSITIONS(one[0], one[1], key).total + 0.3 * second(two[0], two[1], key).total
    torch.testing.assert_close(objective(A, B, key).total, direct)


def test_sums_nest():
    inner = Blocks(first=POSITIONS, second=DIRECTIONS, split=1)
    nested = Blocks(first=inner, second=POSITIONS, split=3)
    expected = inner(A[:, :3], B[:, :3], KEY).total + POSITIONS(A[:, 3:], B[:, 3:], KEY).total
    loss = nested(A, B, KEY)
    torch.testing.assert_close(loss.total, expected)
    assert "first.second.alignment" in loss.parts
    assert "first.second.accuracy" in loss.measures


def test_each_block_learns_for_itself():
    learning = InfoNCE(similarity=Diagonal(), learn_temperature=True)
    criterion = Blocks(first=InfoNCE(similarity=Diagonal()), second=learning, split=1).build(4)
    shapes = {name: tuple(value.shape) for name, value in criterion.named_parameters()}
    assert shapes == {
        "first.metric.log_weights": (1,),
        "second.metric.log_weights": (3,),
        "second.log_temperature": (),
    }
    criterion((A.float(), B.float()), (A.float(), B.float()), BOTH).total.backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in criterion.parameters())


def test_what_is_asked_and_answered_by_one_tensor_stays_one():
    seen = []

    class Watching(Criterion):
        def forward(self, asked, answers, views):
            seen.append([x is y for x, y in zip(asked, answers, strict=True)])
            return super().forward(asked, answers, views)

    criterion = Blocks(first=POSITIONS, second=DIRECTIONS, split=1).build(4)
    criterion.second = Watching(DIRECTIONS)
    criterion((A, B), (A, B + 0.1), BOTH)
    assert seen == [[True, False]]


def test_blocks_count_their_own_steps():
    criterion = Blocks(first=VICReg(), second=SIGReg(), split=2).build(4)
    before = criterion((A, B), (A, B), BOTH).total
    assert int(criterion.second.step) == 1
    assert before.item() != criterion((A, B), (A, B), BOTH).total.item()


def test_the_space_must_split_where_the_objective_does():
    objective = Blocks(first=POSITIONS, second=DIRECTIONS, split=3)
    objective.check(Product(first=Box(), second=Sphere(), split=3))
    with pytest.raises(ValueError, match=r"write objective\.split=2"):
        objective.check(Product(split=2))
    for space in (Sphere(), Simplex()):
        with pytest.raises(ValueError, match="write space=Product"):
            objective.check(space)
    Blocks(first=POSITIONS, second=VICReg()).check(Euclidean())


def test_what_is_wrong_in_a_block_is_said_with_its_name():
    with pytest.raises(ValueError, match=r"objective\.first\.similarity=Lp"):
        Blocks(first=DIRECTIONS, second=DIRECTIONS).check(Product(first=Box(), second=Sphere()))
    inner = Product(first=Sphere(), second=Box(), split=3)
    nested = Blocks(second=Blocks(second=DIRECTIONS), split=2)
    with pytest.raises(ValueError, match=r"objective\.second\.second\.similarity=Lp"):
        nested.check(Product(first=Sphere(), second=inner, split=2))


def test_bad_options_are_refused():
    with pytest.raises(ValueError, match=r"write objective\.split=3"):
        Blocks(split=0)
    with pytest.raises(ValueError, match=r"write objective\.weight=1"):
        Blocks(weight=0.0)
    with pytest.raises(ValueError, match="given answers"):
        Blocks(first=CrossEntropy())
    with pytest.raises(ValueError, match=r"write objective\.split=1"):
        Blocks(split=4)(A, B, KEY)
    with pytest.raises(ValueError, match=r"write objective\.split=1"):
        Blocks(split=4).check_batch(256, 4)
