"""What holds for every head, whatever it does."""

import chz
import pytest
import torch
from torch import Tensor, nn

from kontrast.heads import Head, Projection
from kontrast.parts import known, summary

VARIANTS = (
    Projection(layers=3, last_norm="plain"),
    Projection(last_norm="scale", std=0.01),
    Projection(last_norm="affine"),
    Projection(norm=False, bias=False),
    Projection(norm=False, slope=0.01),
    Projection(layers=1, dim=None, std=0.1),
)
EVERY = pytest.mark.parametrize("part", [*(cls() for cls in known(Head).values()), *VARIANTS], ids=repr)
SIZES = ((12, 12), (12, 5), (12, 30))


def built(part: Head, features: int, dim: int, seed: int = 0) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return part.build(features, dim)


def rows(features: int, n: int = 16) -> Tensor:
    return torch.randn(n, features, generator=torch.Generator().manual_seed(0))


@EVERY
@pytest.mark.parametrize(("features", "dim"), SIZES)
def test_embeddings_have_the_dimension_asked_for(part: Head, features: int, dim: int) -> None:
    try:
        head = built(part, features, dim)
    except ValueError as error:
        said = str(error)
    else:
        z = head(rows(features))
        assert z.shape == (16, dim)
        assert z.isfinite().all()
        return
    assert features != dim
    assert "write head" in said
    assert "\n" not in said


@EVERY
def test_it_carries_the_dimension_for_its_caller(part: Head) -> None:
    assert part.dim is None
    assert chz.replace(part, dim=7).dim == 7
    with pytest.raises(ValueError, match=r"head\.dim=128"):
        chz.replace(part, dim=0)


@EVERY
def test_the_random_state_decides_the_weights(part: Head) -> None:
    first, again, other = (built(part, 12, 12, seed).state_dict() for seed in (0, 0, 1))
    assert first.keys() == again.keys()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not first or any(not torch.equal(first[name], other[name]) for name in first)


@EVERY
def test_the_gradient_reaches_every_parameter_and_the_feature(part: Head) -> None:
    head = built(part, 12, 12)
    x = rows(12).requires_grad_()
    (head(x) * torch.randn(16, 12, generator=torch.Generator().manual_seed(1))).sum().backward()
    for value in (x, *head.parameters()):
        assert value.grad is not None
        assert value.grad.isfinite().all()
        assert value.grad.abs().max() > 0


@EVERY
def test_in_evaluation_an_embedding_depends_on_its_own_row(part: Head) -> None:
    head = built(part, 12, 12)
    head(rows(12))
    head.eval()
    before = {name: value.clone() for name, value in head.state_dict().items()}
    torch.testing.assert_close(head(rows(12))[3:4], head(rows(12)[3:4]))
    assert all(torch.equal(before[name], value) for name, value in head.state_dict().items())


@EVERY
def test_it_is_a_value_that_explains_itself(part: Head) -> None:
    again = chz.replace(part)
    assert part == again
    assert hash(part) == hash(again)
    assert summary(type(part)).endswith(".")
    assert all(field._doc for field in chz.chz_fields(part).values())
