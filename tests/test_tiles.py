import math
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from kontrast import tiles
from kontrast.tiles import Dot, Inverse, Link, Log, Negative, Power, Root, log_sum_exp, scores

CORES = [Dot(), Power(1), Power(2), Power(3), Power(4), Power(1.5), Power(2.7), Power(3.5), Power(10), Power(0.5)]
LINKS = [None, Negative(), Inverse(), Log(1e-3), "root"]


@dataclass(frozen=True)
class Softplus(Link):
    """A link from outside."""

    def value(self, c):
        return -torch.log1p(c.exp())

    def slope(self, c, s):
        return -torch.sigmoid(c)


def core_by_hand(core, u, v):
    if isinstance(core, Dot):
        return (u[:, None] * v[None]).sum(-1)
    size = (u[:, None] - v[None]).abs()
    return (size if core.p >= 1 else size.clamp_min(1e-12)).pow(core.p).sum(-1)


def link_by_hand(link, c):
    by_type: dict[type, Callable[[torch.Tensor], torch.Tensor]] = {
        Negative: lambda c: -c,
        Inverse: lambda c: 1 / (1 + c),
        Log: lambda c: c.clamp_min(link.floor or torch.finfo(c.dtype).tiny).log(),
        Root: lambda c: torch.where(c > 0, -torch.where(c > 0, c, 1).pow(1 / link.p), 0),
        Softplus: lambda c: -torch.nn.functional.softplus(c),
    }
    return c if link is None else by_type[type(link)](c)


def by_hand(u, v, core, link=None, scale=1.0, exclude=None, bias=None):
    """The equation, with the matrix."""
    s = scale * link_by_hand(link, core_by_hand(core, u, v))
    s = s if bias is None else s + bias
    if exclude is not None:
        hit = (exclude[:, :, None] == torch.arange(len(v))).any(1)
        s = s.masked_fill(hit, -math.inf)
    return s.logsumexp(1)


def uniform(*shape, seed=0, dtype=torch.float64):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype).requires_grad_()


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def own(n):
    return torch.arange(n)[:, None]


def left_out(kind, n, m):
    """Sets of columns to leave out: none; the own column; that and the partner's; some, of which -1 are none."""
    some = torch.randint(-1, m, (n, 3), generator=torch.Generator().manual_seed(5))
    i = torch.arange(n)
    return {
        "none": None,
        "own": own(n) % m,
        "mutual": torch.stack([i % m, (n - 1 - i) % m], 1),
        "some": some,
        "twice": torch.stack([some[:, 0], some[:, 0]], 1),
    }[kind]


def assert_same(ours, reference, inputs, tolerance, of_largest=False):
    """Both values, and the gradients of a weighted sum of them."""
    weight = normal(*ours.shape, seed=9, dtype=ours.dtype)
    torch.testing.assert_close(ours, reference.to(ours.dtype), rtol=tolerance, atol=tolerance)
    gradients = torch.autograd.grad((ours * weight).sum(), inputs)
    wanted = torch.autograd.grad((reference * weight).sum(), inputs)
    for found, right in zip(gradients, wanted, strict=True):
        atol = tolerance * float(right.abs().max()) if of_largest else tolerance
        torch.testing.assert_close(found, right, rtol=tolerance, atol=atol)


@pytest.fixture
def small(monkeypatch):
    """Blocks of 4 rows and columns."""
    monkeypatch.setattr(scores, "SIDE", {"cpu": 4})


@pytest.mark.parametrize("core", CORES, ids=str)
def test_pair_and_dense_are_the_equation(core):
    u, v = uniform(6, 11), uniform(6, 11, seed=1)
    dense = core_by_hand(core, u, v)
    assert_same(core.dense(u, v), dense, [u, v], tolerance=1e-11)
    assert_same(core.pair(u, v), core_by_hand(core, u, v).diagonal(), [u, v], tolerance=1e-11)


@pytest.mark.parametrize("same", [True, False], ids=["itself", "others"])
@pytest.mark.parametrize("exclude", ["none", "own", "mutual", "some", "twice"])
@pytest.mark.parametrize("link", LINKS, ids=str)
@pytest.mark.parametrize("core", CORES, ids=str)
@pytest.mark.usefixtures("small")
def test_value_and_gradients_are_those_of_the_equation(core, link, exclude, same):
    if link == "root":
        link = Root(getattr(core, "p", 2.0))
    u = uniform(14, 3)
    v = u if same else uniform(9, 3, seed=1)
    scale = torch.tensor(1.7, dtype=torch.float64, requires_grad=True)
    out = left_out(exclude, len(u), len(v))
    inputs = [u, scale] if same else [u, v, scale]
    assert_same(
        log_sum_exp(u, v, core, link, scale, out), by_hand(u, v, core, link, scale, out), inputs, tolerance=1e-11
    )


@pytest.mark.parametrize("same", [True, False], ids=["itself", "others"])
@pytest.mark.parametrize(
    ("core", "link"), [(Dot(), None), (Dot(), Log()), (Power(2), Negative()), (Power(1), Inverse())], ids=str
)
@pytest.mark.usefixtures("small")
def test_a_bias_is_added_to_the_columns(core, link, same):
    u = uniform(10, 3)
    v = u if same else uniform(6, 3, seed=1)
    bias = (3 * normal(len(v), seed=2)).requires_grad_()
    scale = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    inputs = [u, bias, scale] if same else [u, v, bias, scale]
    out = left_out("some", len(u), len(v))
    ours, reference = (f(u, v, core, link, scale, out, bias) for f in (log_sum_exp, by_hand))
    assert_same(ours, reference, inputs, tolerance=1e-11)


@pytest.mark.parametrize("n", [1, 3, 4, 5, 8, 9])
@pytest.mark.parametrize("m", [1, 4, 7])
@pytest.mark.usefixtures("small")
def test_any_number_of_rows_and_columns(n, m):
    u, v = uniform(n, 2), uniform(m, 2, seed=1)
    for core in (Dot(), Power(2), Power(1)):
        assert_same(log_sum_exp(u, v, core, Negative()), by_hand(u, v, core, Negative()), [u, v], tolerance=1e-12)
        assert_same(log_sum_exp(u, u, core, Negative()), by_hand(u, u, core, Negative()), [u], tolerance=1e-12)


def test_blocks_of_the_usual_size_in_both_types():
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 2e-6)):
        u = normal(700, 16, dtype=dtype).requires_grad_()
        for core, link, scale in ((Dot(), None, 0.3), (Power(2), Negative(), 0.5), (Power(1), Negative(), 1.0)):
            reference = by_hand(u.double(), u.double(), core, link, scale, own(700))
            assert_same(log_sum_exp(u, u, core, link, scale, own(700)), reference, [u], tolerance, of_largest=True)


def test_a_link_may_come_from_outside():
    u, v = uniform(5, 3), uniform(7, 3, seed=1)
    scale = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    for core in (Dot(), Power(2), Power(1)):
        ours, reference = (f(u, v, core, Softplus(), scale) for f in (log_sum_exp, by_hand))
        assert_same(ours, reference, [u, v, scale], tolerance=1e-12)


@pytest.mark.parametrize("link", [Negative(), Root(3.0), Inverse(), Log(), Log(0.5)], ids=str)
def test_the_slope_of_a_link_is_its_derivative(link):
    c = torch.linspace(0.01, 3, 50, dtype=torch.float64, requires_grad=True)
    s = link.value(c)
    torch.testing.assert_close(link.slope(c.detach(), s.detach()), torch.autograd.grad(s.sum(), c)[0])


@pytest.mark.parametrize(("core", "link"), [(Dot(), None), (Power(2), Negative()), (Power(3), Root(3.0))], ids=str)
def test_gradients_by_finite_differences(core, link):
    u, v, bias = uniform(4, 2), uniform(5, 2, seed=1), uniform(5, seed=2)
    scale = torch.tensor(1.3, dtype=torch.float64, requires_grad=True)
    out = left_out("some", 4, 5)
    assert torch.autograd.gradcheck(
        lambda *x: log_sum_exp(x[0], x[1], core, link, x[2], out, x[3]), (u, v, scale, bias)
    )
    assert torch.autograd.gradcheck(lambda x: log_sum_exp(x, x, core, link, 1.3, own(4)), (u,))


ROWS = {
    "large": lambda: 1e3 * normal(40, 5),
    "far away": lambda: 1e3 + normal(40, 5),
    "near at a large scale": lambda: (1e3 * normal(20, 5)).repeat(2, 1) + 0.03 * normal(40, 5, seed=1),
    "tiny": lambda: 1e-4 * normal(40, 5),
    "in clusters": lambda: 10 * (torch.arange(40) % 4)[:, None] + normal(40, 5),
    "one far": lambda: normal(40, 5) * torch.where(torch.arange(40) == 7, 1e3, 1.0)[:, None],
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("exclude", ["none", "own"])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 100.0])
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("core", [Power(2), Power(1), Power(3), Dot()], ids=str)
@pytest.mark.usefixtures("small")
def test_any_scale_is_exact(core, rows, scale, exclude, dtype):
    u = ROWS[rows]().to(dtype).requires_grad_()
    link = None if isinstance(core, Dot) else Negative()
    out = left_out(exclude, len(u), len(u))
    ours = log_sum_exp(u, u, core, link, scale, out)
    wide = u.detach().double().requires_grad_()
    reference = by_hand(wide, wide, core, link, scale, out)
    (gradient,) = torch.autograd.grad(ours.sum(), u)
    (wanted,) = torch.autograd.grad(reference.sum(), wide)
    value, slope = {torch.float32: (2e-6, 3e-5), torch.float64: (1e-12, 1e-10)}[dtype]
    torch.testing.assert_close(ours.double(), reference, rtol=value, atol=value)
    steepest = scale * float(
        torch.func.jacrev(lambda x: core_by_hand(core, x[None], wide)[0])(wide[0]).detach().abs().max()
    )
    atol = slope * float(wanted.abs().max()) + 1e-15 * steepest
    torch.testing.assert_close(gradient.double(), wanted, rtol=slope, atol=atol)


@pytest.mark.parametrize("link", LINKS, ids=str)
@pytest.mark.parametrize("core", CORES, ids=str)
def test_equal_points_have_finite_gradients(core, link):
    link = Root(getattr(core, "p", 2.0)) if link == "root" else link
    for dtype in (torch.float32, torch.float64):
        u = torch.ones(6, 3, dtype=dtype, requires_grad=True)
        v = torch.ones(4, 3, dtype=dtype, requires_grad=True)
        for value, inputs in ((log_sum_exp(u, u, core, link), (u,)), (log_sum_exp(u, v, core, link), (u, v))):
            assert value.isfinite().all()
            for gradient in torch.autograd.grad(value.sum(), inputs):
                assert gradient.isfinite().all()
                if isinstance(core, Power):
                    assert (gradient == 0).all()


@pytest.mark.parametrize("core", [Dot(), Power(2), Power(1)], ids=str)
@pytest.mark.usefixtures("small")
def test_a_row_without_candidates_is_minus_infinity_with_gradient_0(core):
    u, v = uniform(6, 2), uniform(3, 2, seed=1)
    out = torch.full((6, 3), -1)
    out[4] = torch.arange(3)
    scale = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    value = log_sum_exp(u, v, core, Negative(), scale, out)
    assert value[4] == -math.inf
    assert value[[0, 1, 2, 3, 5]].isfinite().all()
    gradients = torch.autograd.grad(value.sum(), (u, v, scale))
    assert (gradients[0][4] == 0).all()
    assert all(gradient.isfinite().all() for gradient in gradients)
    rest = by_hand(u, v, core, Negative(), scale, out)[[0, 1, 2, 3, 5]]
    for found, right in zip(gradients, torch.autograd.grad(rest.sum(), (u, v, scale)), strict=True):
        torch.testing.assert_close(found, right)


def test_without_columns_all_rows_are_minus_infinity():
    assert log_sum_exp(uniform(3, 2), uniform(0, 2), Dot()).tolist() == [-math.inf] * 3
    assert log_sum_exp(uniform(0, 2), uniform(3, 2), Dot()).shape == (0,)


@given(seed=st.integers(0, 10**6), core=st.sampled_from(CORES), side=st.integers(1, 9), shift=st.floats(-30, 30))
def test_order_does_not_matter_and_a_bias_shifts(seed, core, side, shift):
    u, v = uniform(7, 3, seed=seed), uniform(8, 3, seed=seed + 1)
    rows = torch.randperm(7, generator=torch.Generator().manual_seed(seed))
    columns = torch.randperm(8, generator=torch.Generator().manual_seed(seed))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scores, "SIDE", {"cpu": side})
        value = log_sum_exp(u, v, core, Negative(), 2.0)
        torch.testing.assert_close(log_sum_exp(u, v[columns], core, Negative(), 2.0), value)
        torch.testing.assert_close(log_sum_exp(u[rows], v, core, Negative(), 2.0), value[rows])
        bias = torch.full((8,), shift, dtype=torch.float64)
        torch.testing.assert_close(log_sum_exp(u, v, core, Negative(), 2.0, bias=bias), value + shift)


class Largest(TorchDispatchMode):
    """The most elements of any tensor that an operator makes or writes, and how often each operator is called."""

    def __init__(self):
        super().__init__()
        self.elements, self.calls = 0, {}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for tensor in torch.utils._pytree.tree_leaves((args, kwargs, made)):
            if isinstance(tensor, torch.Tensor):
                self.elements = max(self.elements, tensor.untyped_storage().nbytes() // tensor.element_size())
        name = function.overloadpacket.__name__
        self.calls[name] = self.calls.get(name, 0) + 1
        return made


@pytest.mark.parametrize(
    ("core", "link"), [(Dot(), None), (Power(2), Negative()), (Power(1), Negative()), (Power(2), Root(2.0))], ids=str
)
def test_memory_is_linear_in_the_rows(core, link, monkeypatch):
    monkeypatch.setattr(scores, "SIDE", {"cpu": 16})
    u = normal(400, 3, dtype=torch.float32).requires_grad_()
    v = normal(300, 3, seed=1, dtype=torch.float32).requires_grad_()
    with Largest() as largest:
        log_sum_exp(u, u, core, link, 1.0, own(400)).sum().backward()
        log_sum_exp(u, v, core, link, 1.0, own(400) % 300).sum().backward()
    assert largest.elements <= 400 * 3 * 8
    assert 400 * 3 * 8 < 400 * 300 / 10


def test_against_itself_half_of_the_products_are_enough():
    u, v = normal(1300, 3, dtype=torch.float32), normal(1300, 3, dtype=torch.float32)
    side = -(-1300 // scores.SIDE["cpu"])
    for rows, exclude, count in (
        (v, None, side**2),
        (u, own(1300), side * (side + 1) / 2),
        (u, own(1300) - 1, side**2),
    ):
        with Largest() as seen:
            log_sum_exp(u, rows, Dot(), None, 1.0, exclude)
        assert seen.calls["mm"] == count


def test_no_product_is_made_for_rows_without_gradient():
    u, v = normal(10, 3).requires_grad_(), normal(12, 3, seed=1).requires_grad_()
    counts = []
    for inputs in ((u, v), (u.detach(), v), (u, v.detach())):
        with Largest() as seen:
            log_sum_exp(*inputs, Dot()).sum().backward()
        counts.append(seen.calls["addmm_"])
    assert counts == [2, 1, 1]


@pytest.mark.parametrize("core", [Dot(), Power(2), Power(1)], ids=str)
def test_the_same_numbers_every_time(core):
    u = normal(500, 5, dtype=torch.float32).requires_grad_()

    def once():
        value = log_sum_exp(u, u, core, Negative(), 0.1, own(500))
        return value.detach(), torch.autograd.grad(value.sum(), u)[0]

    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        for one, other in zip(once(), once(), strict=True):
            assert torch.equal(one, other)
    finally:
        torch.use_deterministic_algorithms(before)


def test_autocast_does_not_make_it_coarse():
    u = normal(50, 8, dtype=torch.float32).requires_grad_()
    exact = log_sum_exp(u, u, Dot())
    with torch.autocast("cpu", torch.bfloat16):
        cast = log_sum_exp(u, u, Dot())
        (gradient,) = torch.autograd.grad(cast.sum(), u)
    assert torch.equal(cast, exact)
    assert torch.equal(gradient, torch.autograd.grad(exact.sum(), u)[0])


def test_rows_may_lie_anyhow_in_memory():
    u, v = uniform(3, 9).T, uniform(12, 6, seed=1)[::2, ::2]
    for core in (Dot(), Power(2), Power(1)):
        assert_same(log_sum_exp(u, v, core, Negative()), by_hand(u, v, core, Negative()), [u, v], tolerance=1e-12)


@pytest.mark.parametrize(
    "rows",
    [
        (torch.zeros(3, 2), torch.zeros(3, 4)),
        (torch.zeros(3), torch.zeros(3)),
        (torch.zeros(3, 2), torch.zeros(3, 2, dtype=torch.float64)),
        (torch.zeros(3, 2, dtype=torch.bfloat16), torch.zeros(3, 2, dtype=torch.bfloat16)),
    ],
    ids=["lengths", "dimensions", "types", "half"],
)
def test_rows_that_cannot_be_compared(rows):
    with pytest.raises(ValueError, match="all float32 or all float64"):
        log_sum_exp(*rows, Dot())


def test_a_scale_is_one_number():
    with pytest.raises(ValueError, match="one number"):
        log_sum_exp(uniform(3, 2), uniform(3, 2), Dot(), scale=torch.ones(3))


@pytest.mark.parametrize("p", [0.0, -1.0, math.nan])
def test_an_exponent_is_positive(p):
    with pytest.raises(ValueError, match="must be positive"):
        Power(p)


def test_compiled_without_a_compiler_says_so_in_one_sentence(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ValueError, match="compiler no-such-compiler, which is not here; install it") as raised:
        tiles.compiled().__enter__()
    assert "\n" not in str(raised.value)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("core", "link", "biased"),
    [(Power(1), Negative(), False), (Power(3.5), Inverse(), True), (Power(2), Root(2.0), False)],
    ids=str,
)
def test_compiled_gives_the_same(core, link, biased):
    u, v = uniform(530, 3), uniform(300, 3, seed=1)
    bias = normal(300, seed=2).requires_grad_() if biased else None
    scale = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    with tiles.compiled():
        ours = [log_sum_exp(u, u, core, link, scale, own(530))]
        ours.append(log_sum_exp(u, v, core, link, scale, own(530) % 300, bias))
    references = [
        by_hand(u, u, core, link, scale, own(530)),
        by_hand(u, v, core, link, scale, own(530) % 300, bias),
    ]
    inputs = [[u, scale], [u, v, scale, *([] if bias is None else [bias])]]
    for one, other, some in zip(ours, references, inputs, strict=True):
        assert_same(one, other, some, tolerance=1e-11)
