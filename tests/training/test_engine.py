"""What a step does beside the gradient: precision, clipping, averages, windows of losses, memory, placement."""

import json
import re

import pytest
import torch
from rich.console import Console
from torch import nn

from kontrast import checkpoints, methods, train
from kontrast.checkpoints import Checkpoint, fingerprint
from kontrast.datasets import Digits
from kontrast.encoders import Conv, Mlp
from kontrast.optimizers import LARS, SGD, AdamW, Muon
from kontrast.run import Run
from kontrast.schedules import Plateau
from kontrast.training import NonFinite, OutOfMemory, Trainer, failures
from kontrast.training.batch_norm import SynchronizedNorm, synchronize
from kontrast.training.heading import heading

import forked
from small import digits, latents

CPU = torch.device("cpu")
QUIET = Console(quiet=True)


def stepped(experiment, count):
    trainer = Trainer(experiment, CPU)
    for _ in range(count):
        trainer.advance()
    return trainer


def resumed(trainer):
    """Another trainer of the same experiment that goes on from there."""
    stored = {name: value.clone() for name, value in trainer.tensors().items()}
    again = Trainer(trainer.experiment, CPU)
    again.restore(Checkpoint(trainer.step, stored, {}, None))
    return again


@pytest.mark.parametrize(
    "changes",
    [
        {"precision": "float16"},
        {"precision": "bfloat16"},
        {"precision": "float16", "micro": 16},
        {"clip": 0.1},
        {"average": 0.9},
        {"schedule": Plateau(patience=1), "steps": 300},
    ],
    ids=str,
)
def test_each_of_them_resumes_bit_by_bit(changes):
    whole = Trainer(latents(**changes), CPU)
    for step in range(8):
        if step == 5:
            again = resumed(whole)
        whole.advance()
    for _ in range(3):
        again.advance()
    assert fingerprint(again.tensors()) == fingerprint(whole.tensors())
    assert again.tensors().keys() == whole.tensors().keys()


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.parametrize("make", [digits, latents])
def test_low_precision_gives_nearly_the_loss_and_gradient_of_float32(make, precision):
    whole, low = (Trainer(make(precision=each), CPU) for each in ("float32", precision))
    loss, other = whole.advance()[0], low.advance()[0]
    assert float(other.total.detach()) == pytest.approx(float(loss.total.detach()), abs=1e-2)
    assert other.total.dtype == torch.float32
    assert {value.dtype for value in low.model.parameters()} == {torch.float32}
    one, two = (torch.cat([p.grad.flatten() for p in trainer.learned]) for trainer in (whole, low))
    assert torch.cosine_similarity(one, two, dim=0) > 0.99


def test_a_step_that_overflows_in_float16_is_skipped_and_the_scale_halved():
    trainer = Trainer(latents(precision="float16", average=0.5), CPU)
    trainer.precision.scaler.load_state_dict({**trainer.precision.scaler.state_dict(), "scale": 2.0**40})
    before = {name: value.clone() for name, value in trainer.tensors().items() if name.startswith(("model", "average"))}
    loss, _ = trainer.advance()
    assert loss.total.isfinite() and (trainer.step, trainer.skipped) == (1, 1)
    assert all(torch.equal(value, trainer.tensors()[name]) for name, value in before.items())
    assert float(trainer.tensors()["precision.scale"]) == 2.0**39
    while trainer.skipped == trainer.step:
        trainer.advance()
    assert trainer.step > trainer.skipped
    changed = [name for name, value in before.items() if not torch.equal(value, trainer.tensors()[name])]
    assert changed


def overflowing(trainer, times):
    """A loss scale that halves so many times before a gradient is finite."""
    trainer.precision.scaler.load_state_dict({**trainer.precision.scaler.state_dict(), "scale": 2.0 ** (12 + times)})
    trainer.learned[0].register_hook(lambda grad: grad * (torch.inf if trainer.skipped < times else 1.0))
    return trainer


@pytest.mark.parametrize("stop", [None, 1, 3])
def test_the_average_starts_at_the_first_step_that_is_taken(stop):
    trainer = overflowing(Trainer(latents(precision="float16", average=0.75), CPU), 2)
    for step in range(3):
        if step == stop:
            trainer = overflowing(resumed(trainer), 2)
        trainer.advance()
    assert (trainer.step, trainer.skipped) == (3, 2)
    first = [value.detach().clone() for value in trainer.model.student.parameters()]
    averaged = [*trainer.average.student.parameters()]
    assert all(torch.equal(one, other) for one, other in zip(averaged, first, strict=True))
    if stop == 3:
        trainer = resumed(trainer)
    trainer.advance()
    for mean, one, two in zip(
        trainer.average.student.parameters(), first, trainer.model.student.parameters(), strict=True
    ):
        torch.testing.assert_close(mean, 0.75 * one + 0.25 * two)


def test_a_resumed_run_goes_on_counting_what_it_skipped():
    trainer = overflowing(Trainer(latents(precision="float16"), CPU), 2)
    for _ in range(3):
        trainer.advance()
    assert resumed(trainer).skipped == trainer.skipped == 2
    assert not any("skipped" in name for name in stepped(latents(), 1).tensors())


def test_a_step_that_overflows_leaves_a_row_that_is_json(tmp_path, monkeypatch):
    def refuse(word):
        raise ValueError(word)

    build = Trainer._build
    monkeypatch.setattr(Trainer, "_build", lambda self: (build(self), overflowing(self, 2)))
    run = train(latents(precision="float16", steps=4), tmp_path / "run", console=QUIET)
    lines = (run.path / "metrics.jsonl").read_text().splitlines()
    rows = [json.loads(line, parse_constant=refuse) for line in lines]
    assert [row["skipped"] for row in rows] == [1, 2, 2, 2]
    assert ["gradient_norm" in row for row in rows] == [False, False, True, True]


def test_a_gradient_that_no_scale_makes_finite_ends_a_run_in_float16():
    trainer = Trainer(latents(precision="float16"), CPU)
    trainer.precision.scaler.load_state_dict({**trainer.precision.scaler.state_dict(), "scale": 1.0})
    trainer.learned[0].register_hook(lambda grad: grad * torch.inf)
    with pytest.raises(NonFinite, match="the gradient is not finite"):
        trainer.advance()


def test_a_gradient_is_clipped_to_its_length_and_recorded_as_it_was():
    free, bound = (
        Trainer(latents(optimizer=SGD(rate=1.0)), CPU),
        Trainer(latents(optimizer=SGD(rate=1.0), clip=0.1), CPU),
    )
    norm, clipped = free.advance()[1], bound.advance()[1]
    assert float(norm) == float(clipped) > 0.1
    one, two = (torch.cat([p.grad.flatten() for p in each.learned]) for each in (free, bound))
    torch.testing.assert_close(two, one * 0.1 / norm, rtol=1e-4, atol=1e-8)
    loose = stepped(latents(clip=1e6), 3)
    assert fingerprint(loose.model.state_dict()) == fingerprint(stepped(latents(), 3).model.state_dict())


def test_the_average_is_the_closed_form_and_what_a_run_keeps(tmp_path):
    made = digits(average=0.75, steps=3)
    trainer, expected = Trainer(made, CPU), None
    for _ in range(3):
        trainer.advance()
        now = {name: value.detach().clone() for name, value in trainer.model.student.named_parameters()}
        expected = now if expected is None else {name: 0.75 * expected[name] + 0.25 * now[name] for name in now}
    averaged = dict(trainer.average.student.named_parameters())
    for name, value in expected.items():
        torch.testing.assert_close(averaged[name], value)
    buffers = dict(trainer.model.student.named_buffers())
    assert all(torch.equal(value, buffers[name]) for name, value in trainer.average.student.named_buffers())
    run = train(made, tmp_path / "run", console=QUIET)
    kept = run.student().state_dict()
    assert all(torch.equal(kept[name], value) for name, value in trainer.average.student.state_dict().items())
    plain = stepped(digits(steps=3), 3)
    assert fingerprint(plain.model.state_dict()) == fingerprint(trainer.model.state_dict())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["clip=0"], "clip is the length of a gradient"),
        (["average=1"], "average is a decay between 0 and 1"),
        (["average=nan"], "average is a decay"),
        (["precision=half"], "precision=half cannot be read"),
    ],
)
def test_numbers_that_mean_nothing_are_refused(words, said):
    with pytest.raises(ValueError, match=said):
        methods.simclr.read(words)


def test_windows_are_epochs_or_hundredths_of_a_run():
    trainer, losses = Trainer(digits(batch=400, steps=7, data=Digits()), CPU), []
    for _ in range(7):
        losses.append(float(trainer.advance()[0].total.detach()))
    assert trainer.per_epoch == 3
    assert trainer.windows.losses == pytest.approx([sum(losses[:3]) / 3, sum(losses[3:6]) / 3])
    endless = Trainer(latents(steps=200), CPU)
    first = [float(endless.advance()[0].total.detach()) for _ in range(4)]
    assert endless.windows.losses == pytest.approx([(first[0] + first[1]) / 2, (first[2] + first[3]) / 2])


def test_a_schedule_sees_the_losses_of_the_windows_so_far(monkeypatch):
    seen = []
    trainer = Trainer(latents(steps=100), CPU)
    monkeypatch.setattr(type(trainer.experiment.schedule), "factor", lambda *call: seen.append([*call[3]]) or 0.5)
    trainer.advance()
    trainer.advance()
    assert seen[0] == [] and seen[-1] == trainer.windows.losses[:1]
    assert trainer.rate == 0.5 * trainer.experiment.optimizer.peak(64)


def test_a_synchronized_norm_is_torch_s_own_on_one_process():
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.BatchNorm1d(144, affine=False))
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.BatchNorm1d(144, affine=False))
    network.load_state_dict(plain.state_dict())
    weights = [*network.parameters()]
    synchronize(network)
    assert [type(layer).__name__ for layer in network].count("SynchronizedNorm") == 2
    assert all(one is other for one, other in zip(weights, network.parameters(), strict=True))
    x = torch.randn(5, 3, 8, 8)
    assert torch.equal(plain(x), network(x))
    assert network.state_dict().keys() == plain.state_dict().keys()
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in plain.state_dict().items())
    assert isinstance(network[1], SynchronizedNorm) and torch.equal(plain.eval()(x), network.eval()(x))


def test_a_layer_that_does_more_than_normalize_is_refused():
    class Activated(nn.BatchNorm2d):
        pass

    with pytest.raises(
        ValueError, match="statistics of Activated cannot be taken over all processes; write sync=False"
    ):
        synchronize(nn.Sequential(Activated(3)))


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("could not create a primitive"),
    ],
)
def test_memory_that_lacks_is_said_with_what_would_fit(error, monkeypatch):
    trainer = Trainer(latents(encoder=Mlp(widths=(4, 4))), CPU)
    before = fingerprint(trainer.tensors())

    def lacking(views):
        raise error

    monkeypatch.setattr(trainer, "_differentiate", lacking)
    monkeypatch.setattr(failures, "_free", lambda device: 4000)
    with pytest.raises(OutOfMemory, match=r"did not suffice for batch=64.*no parameter was changed.*write micro=(\d+)"):
        trainer.advance()
    assert fingerprint(trainer.tensors()) == before


@pytest.mark.parametrize(
    ("optimizer", "tensors"), [(SGD(momentum=0.0), 0), (SGD(), 1), (LARS(), 1), (AdamW(), 2)], ids=str
)
def test_what_is_owed_is_what_a_step_then_makes(optimizer, tensors):
    trainer = Trainer(latents(optimizer=optimizer), CPU)
    size = sum(p.nbytes for p in trainer.learned)
    assert failures._owed(trainer) == pytest.approx(size * (1 + tensors), rel=0.01)
    trainer.advance()
    assert failures._owed(trainer) == 0
    trainer.optimizer.zero_grad(set_to_none=True)
    assert failures._owed(trainer) == size


def test_each_kind_of_parameter_owes_what_its_optimizer_keeps():
    trainer = Trainer(latents(optimizer=Muon()), CPU)
    owed = failures._owed(trainer)
    trainer.advance()
    made = [v for s in trainer.optimizer.state_dict()["state"].values() for v in s.values() if v is not None and v.ndim]
    assert owed == pytest.approx(sum(v.nbytes for v in made) + sum(p.nbytes for p in trainer.learned), rel=0.01)


def test_the_advice_leaves_room_for_gradients_and_state(monkeypatch):
    trainer = Trainer(latents(), CPU)
    owed, each = failures._owed(trainer), failures._each(trainer)
    largest = max(p.nbytes for p in trainer.learned)
    monkeypatch.setattr(failures, "_free", lambda device: owed + 2 * largest + 8 * each * failures.MARGIN)
    assert "write micro=8 " in failures.advice(trainer, False)
    monkeypatch.setattr(failures, "_free", lambda device: owed)
    assert "state alone take" in failures.advice(trainer, False)


@pytest.mark.parametrize(
    "error", [MemoryError("a sentence"), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
)
def test_memory_that_lacks_for_saving_is_one_sentence(error, tmp_path, monkeypatch):
    def lacking(*given):
        raise error

    monkeypatch.setattr(checkpoints, "save", lacking)
    with pytest.raises(OutOfMemory, match=r"after step 2 the memory did not suffice to save it.*resume=True out="):
        train(latents(steps=2), tmp_path / "run", console=QUIET)


def test_the_smallest_micro_batch_has_nothing_below_it(monkeypatch):
    trainer = Trainer(latents(micro=1), CPU)
    monkeypatch.setattr(trainer, "_differentiate", lambda views: (_ for _ in ()).throw(MemoryError()))
    with pytest.raises(OutOfMemory, match="write a smaller encoder"):
        trainer.advance()


def test_other_errors_are_not_taken_for_it(monkeypatch):
    trainer = Trainer(latents(), CPU)
    monkeypatch.setattr(trainer, "_differentiate", lambda views: (_ for _ in ()).throw(RuntimeError("mat1 and mat2")))
    with pytest.raises(RuntimeError, match="mat1"):
        trainer.advance()


LIMITED = """
import resource, sys, sklearn.datasets, torch, torch.utils.tensorboard
torch.set_num_threads(1)
from kontrast.cli import main
from pathlib import Path
words = ["train", "simclr", "data=Digits", "encoder=Conv", f"encoder.width={sys.argv[2]}"]
words += ["batch=1024", "steps=2", "threads=1"]
taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + int(sys.argv[3]) * 10**6,) * 2)
sys.exit(main([*words, "out=" + sys.argv[1]]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("width", "megabytes", "advice"),
    [(128, 150, r"write (micro=\d+|a smaller encoder)"), (512, 400, "write a smaller encoder")],
)
def test_a_process_that_may_not_have_so_much_memory_says_what_would_fit(width, megabytes, advice, tmp_path):
    """Which of the two fits is the allocator's matter where the network alone nearly does not."""
    words = [str(tmp_path / "run"), str(width), str(megabytes)]
    done = forked.run(LIMITED, *words, timeout=200)
    said = done.stderr
    assert done.returncode == 1, said
    assert "did not suffice for batch=1024" in said and re.search(advice, said), said


def test_the_placement_is_passed_on_and_said(tmp_path):
    run = train(digits(steps=2), tmp_path / "run", place="pinned", console=QUIET)
    environment = json.loads((run.path / "environment.json").read_text())
    assert "1,347 rows" in environment["data"]
    assert environment["processes"] == 1
    assert set(environment["formats"]) == {"bfloat16", "float16"}
    with pytest.raises(ValueError, match="place"):
        train(digits(steps=2), tmp_path / "other", place="nowhere", console=QUIET)


def test_the_next_rows_are_announced():
    trainer, told = Trainer(digits(steps=3), CPU), []
    trainer.source.expect = lambda draws: told.append(draws.step)
    for _ in range(3):
        trainer.advance()
    assert told == [1, 2]


def test_what_a_reader_must_know_of_the_rows_is_recorded(tmp_path, monkeypatch):
    monkeypatch.setattr(Digits, "listed", lambda self: {"labeled": [1, 5]})
    run = train(digits(steps=2), tmp_path / "run", console=QUIET)
    assert json.loads((run.path / "rows.json").read_text()) == {"labeled": [1, 5]}
    monkeypatch.undo()
    assert not (train(digits(steps=2), tmp_path / "other", console=QUIET).path / "rows.json").exists()


def test_a_run_begins_with_what_it_is():
    trainer = Trainer(digits(micro=16, precision="bfloat16"), CPU)
    first, second, third = heading(trainer)
    assert first == "simclr: batch 64, 16 at once (exact); 12 steps, 21 an epoch"
    assert "1,347 rows" in second and second.endswith("network: bfloat16 on cpu")
    assert third == trainer.experiment.optimizer.describe(64)


def test_the_kernels_of_a_trainer_lie_channels_last_and_those_of_a_run_do_not(tmp_path):
    run = train(digits(steps=2), tmp_path / "run", console=QUIET)
    kernels = [p for p in stepped(digits(), 1).model.parameters() if p.ndim == 4 and p.shape[1] > 1]
    assert kernels and all(p.is_contiguous(memory_format=torch.channels_last) for p in kernels)
    assert all(p.is_contiguous() for p in Run(run.path).student().parameters())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_compiled_network_learns_the_same():
    made = digits(encoder=Conv(width=4, dropout=0.3), micro=16)
    plain, compiled = Trainer(made, CPU), Trainer(made, CPU, compile=True)
    assert plain.tensors().keys() == compiled.tensors().keys()
    still = Trainer(digits(), CPU, compile=True)
    one, two = stepped(digits(), 1), still
    two.advance()
    for name, value in one.tensors().items():
        torch.testing.assert_close(two.tensors()[name], value, rtol=1e-3, atol=2e-3)
    outputs = []
    compiled.model.register_forward_hook(lambda *call: outputs.append(call[2]))
    compiled.advance()
    first, second = outputs[:4], outputs[4:]
    assert all(torch.allclose(x.asked[0], y.asked[0], atol=1e-5) for x, y in zip(first, second, strict=True))
