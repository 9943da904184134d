"""Two and four processes compute the loss and the gradient of one process on the same batch, for every objective.

Run as a script, this file is one of these processes.
"""

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import torch
from torch import distributed, nn

from kontrast import parts
from kontrast.objectives import InfoNCE, Objective
from kontrast.similarities import Diagonal
from kontrast.spaces import Sphere
from kontrast.training import accumulation
from kontrast.training.distributed import gathered, rank, ranks
from kontrast.views import Views

TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-6}
WORLDS = (4, 2)
SECONDS = 240


@pytest.mark.slow
def test_processes_compute_what_one_would(tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    command = [sys.executable, "-W", "error", __file__, str(tmp_path)]
    started = [
        subprocess.Popen([*command, str(number)], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for number in range(max(WORLDS))
    ]
    try:
        for process in started:
            _, errors = process.communicate(timeout=SECONDS)
            assert process.returncode == 0, errors.decode()
    finally:
        for process in started:
            process.kill()
            process.communicate()
    for world in WORLDS:
        said = json.loads((tmp_path / f"{world}.json").read_text())
        assert {name.partition("(")[0] for name in said} >= set(parts.known(Objective))
        wrong = {name: values for name, values in said.items() if not values["right"]}
        assert not wrong, f"{world} processes: {json.dumps(wrong, indent=1)}"


def test_on_one_process_nothing_is_gathered():
    x, y, key = torch.rand(3, 2), torch.rand(3, 2), torch.arange(3)
    asked, answers, views = gathered((x,), (y,), Views((x, y), key))
    assert ranks() == 1 and rank() == 0
    assert asked[0] is x and answers[0] is y and views.key is key
    assert views.views == ()


def mean_over_ranks(model):
    """The gradient as data-parallel training averages it."""
    gradient = model.gradient()
    flat = torch.cat([value.flatten() for value in gradient.values()])
    distributed.all_reduce(flat)
    parts = torch.split(flat / ranks(), [value.numel() for value in gradient.values()])
    return {name: part.view_as(value) for (name, value), part in zip(gradient.items(), parts, strict=True)}


def own(views):
    """The rows of this rank."""
    from criteria import rows_of

    n = len(views.key) // ranks()
    return rows_of(views, slice(rank() * n, (rank() + 1) * n))


def everywhere(value):
    """Whether a tensor has the same bits on all ranks."""
    others = [torch.empty_like(value) for _ in range(ranks())]
    distributed.all_gather(others, value)
    return all(torch.equal(other, value) for other in others)


def distances_of(found, expected, how=""):
    """How far gradients are from those expected: of the network, and of what the criterion learns, each by itself."""
    from criteria import apart

    learned = {name for name in expected if name.startswith("criterion.")}
    network = {name: found[name] for name in found if name not in learned}
    distances = {f"{how}gradient": apart(network, expected)}
    return distances | {f"{how}{name}": apart({name: found[name]}, expected) for name in learned}


def one_process(case, kind):
    """The loss, gradient and buffers of one process on all rows."""
    from criteria import Small, views_of

    views, model = views_of(case, kind), Small(case, kind)
    output = model(views)
    loss = model.criterion(output.asked, output.answers, views)
    loss.total.backward()
    return loss.total.detach(), model.gradient(), floats(model)


def floats(model):
    return {name: value for name, value in model.named_buffers() if value.is_floating_point()}


def all_processes(case, kind, way):
    """The loss, averaged gradient and buffers of this rank on its own rows, in one of three ways."""
    from criteria import Small, views_of

    views, model = own(views_of(case, kind)), Small(case, kind)
    carried = any(answer.requires_grad for answer in model(views).answers)
    if way == "plain":
        loss, _ = accumulation.plain(model, model.criterion, views)
    elif way == "exact":
        loss, _ = accumulation.exact(model, model.criterion, views, len(views.key) // 2, carried, [])
    else:
        output = model(views)
        loss = model.criterion(*gathered(output.asked, output.answers, views, scaled=False))
        loss.total.backward()
    return loss.total.detach(), mean_over_ranks(model), floats(model)


def compare(case, kind):
    """One process on all rows, and each rank on its own ones: how far they are apart. None but on the first rank."""
    from criteria import apart

    total, gradient, buffers = all_processes(case, kind, "plain")
    cached_total, cached, _ = all_processes(case, kind, "exact")
    facts = {"the same loss everywhere": everywhere(total)}
    if kind is torch.float64:
        _, unscaled, _ = all_processes(case, kind, "unscaled")
        facts["without the factor the network's gradient is one over the ranks of it"] = all(
            torch.equal(value * (1 if name.startswith("criterion.") else ranks()), gradient[name])
            for name, value in unscaled.items()
        )
    if rank() > 0:
        return None
    loss, expected, kept = one_process(case, kind)
    facts["something is learned"] = any(bool(value.any()) for value in expected.values())
    distances = {
        "loss": apart({"loss": total}, {"loss": loss}),
        "cached loss": apart({"loss": cached_total}, {"loss": loss}),
        "buffers": apart(buffers, kept),
        **distances_of(gradient, expected),
        **distances_of(cached, expected, "cached "),
    }
    right = all(facts.values()) and max(distances.values()) <= TOLERANCE[kind]
    return {"right": right, **distances, **facts}


def identity():
    """A tensor that is asked and answered is one tensor behind the gather, too."""
    shared, other = torch.rand(2, 3), torch.rand(2, 3)
    asked, answers, views = gathered((shared, other), (shared, torch.rand(2, 3)), Views((), torch.arange(2) + rank()))
    facts = {
        "one tensor": asked[0] is answers[0] and asked[1] is not answers[1],
        "in the order of ranks": torch.equal(asked[0][2 * rank() : 2 * rank() + 2], shared),
        "keys": views.key.tolist() == [number + row for number in range(ranks()) for row in range(2)],
    }
    return {"right": all(facts.values()), **facts}


def unequal():
    """Ranks of unequal batches are refused on all of them."""
    z = torch.rand(2 + (rank() == 1), 3)
    try:
        gathered((z,), (z,), Views((), torch.arange(len(z))))
    except ValueError as error:
        return {"right": "as many rows as the others, not [2, 3" in str(error), "said": str(error)}
    return {"right": False}


class _Asked(nn.Module):
    """Network and criterion in one module, as DistributedDataParallel wants them."""

    def __init__(self, small):
        super().__init__()
        self.small = small

    def forward(self, views):
        output = self.small(views)
        return self.small.criterion(*gathered(output.asked, output.answers, views)).total


def data_parallel():
    """DistributedDataParallel's own mean over ranks is the gradient of one process."""
    from criteria import Case, Small, views_of

    case = Case(InfoNCE(similarity=Diagonal(), learn_temperature=True), Sphere())
    views, small = views_of(case, torch.float64), Small(case, torch.float64)
    parallel = nn.parallel.DistributedDataParallel(_Asked(small))
    parallel(own(views)).backward()
    distances = distances_of(small.gradient(), one_process(case, torch.float64)[1])
    return {"right": max(distances.values()) <= 1e-12, **distances}


def main(folder, number):
    """Process `number` of the largest world, and then of the smaller ones that it belongs to."""
    from criteria import cases

    torch.set_num_threads(1)
    patience = timedelta(seconds=SECONDS)
    for world in WORLDS:
        if number >= world:
            return
        meeting = f"file://{folder / f'meeting{world}'}"
        distributed.init_process_group("gloo", init_method=meeting, rank=number, world_size=world, timeout=patience)
        found = {f"{case.name} {kind}": compare(case, kind) for case in cases() for kind in TOLERANCE}
        found |= {"identity": identity(), "unequal": unequal(), "data parallel": data_parallel()}
        if number == 0:
            (folder / f"{world}.json").write_text(json.dumps(found))
        distributed.destroy_process_group()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main(Path(sys.argv[1]), int(sys.argv[2]))
