import pytest
import torch

from kontrast.draws import generator
from kontrast.objectives import strips

import forked

X, Y = (torch.randn(n, 3, generator=generator(n, "x"), dtype=torch.float64) for n in (7, 5))
LABELS = """
import resource
import torch
from kontrast.objectives import InfoNCE
from kontrast.views import Views
torch.set_num_threads(1)
x, y = (torch.randn(6000, 16, generator=torch.Generator().manual_seed(s)).requires_grad_() for s in (0, 1))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
InfoNCE().agree((x, y), (x, y), Views((), torch.arange(6000) % 100)).total.backward()
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def strip(rows, first, others):
    logits = others[1] * first[0] @ others[0].T
    return logits.logsumexp(1), rows * logits.square().sum(1)


@pytest.mark.parametrize("held", [1, 10, 10_000])
def test_results_and_gradients_are_those_of_all_rows_at_once(held, monkeypatch):
    monkeypatch.setattr(strips, "STRIP", held)
    scale = torch.tensor(0.7, dtype=torch.float64)
    ours, theirs = ([tensor.clone().requires_grad_() for tensor in (X, Y, scale)] for _ in range(2))
    found = strips.by_strips(strip, ours[:1], ours[1:], len(Y))
    expected = strip(torch.arange(7), theirs[:1], theirs[1:])
    weights = torch.rand(2, 7, generator=generator(0, "w"), dtype=torch.float64)
    for mine, other in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, other)
    sum((w * part).sum() for w, part in zip(weights, found, strict=True)).backward()
    sum((w * part).sum() for w, part in zip(weights, expected, strict=True)).backward()
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad, other.grad)


@pytest.mark.slow
def test_label_keys_take_no_memory_that_grows_with_the_square():
    """All pairs of two views of 6,000 rows would be 576 MB, and more for each step of the way."""
    done = forked.run(LABELS)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 300
