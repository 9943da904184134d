"""Starting from the weights of another run: what is taken, what stays as it is, at which rates the rest learns."""

import io
import json
import math
import shutil
import signal

import chz
import pytest
import torch
from rich.console import Console

from kontrast import blueprints, methods, train
from kontrast.checkpoints import fingerprint
from kontrast.datasets import Digits
from kontrast.encoders import Conv, Mlp, ResidualMlp, ResNet
from kontrast.model import Student
from kontrast.run import Run
from kontrast.start import Start, blocks
from kontrast.training import Interrupted, Trainer, loop

from small import digits
from together import finished, pictures, started

QUIET = Console(quiet=True)
CPU = torch.device("cpu")
NORMED = Conv(width=4, batch_norm=True)
RESIDUAL = ResNet(width=4)


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    """Runs by name: with batch statistics, residual, and one that keeps an average."""
    folder = tmp_path_factory.mktemp("runs")
    wanted = {"plain": {}, "residual": {"encoder": RESIDUAL}, "averaged": {"average": 0.9}}
    for name, changes in wanted.items():
        train(digits(**{"encoder": NORMED, "steps": 6, **changes}), folder / name, console=QUIET)
    return folder


def tuned(start, **changes):
    """A supervised experiment that starts from a run."""
    return methods.supervised(
        **{"data": Digits(), "encoder": NORMED, "batch": 64, "epochs": None, "steps": 5, "start": start, **changes}
    )


def state(student, prefix="encoder."):
    return {name: value.clone() for name, value in student.state_dict().items() if name.startswith(prefix)}


@pytest.mark.parametrize(
    ("words", "start"),
    [
        (["start=runs/x"], Start(run="runs/x")),
        (["start=runs/x", "start.frozen=block1"], Start(run="runs/x", frozen="block1")),
        (["start.run=runs/x", "start.decay=.5"], Start(run="runs/x", decay=0.5)),
        (["start=Start", "start.run=./a/b", "start.checkpoint=7"], Start(run="./a/b", checkpoint=7)),
        (["start=None"], None),
        ([], None),
    ],
)
def test_a_start_is_the_folder_of_a_run_in_words_and_in_json(words, start):
    made = methods.supervised.read(["data=Digits", *words])
    assert made.start == start
    assert blueprints.read(json.loads(json.dumps(blueprints.values(made)))) == made
    assert methods.supervised.read(methods.words(made)[1:]) == made


def test_what_was_written_before_there_was_a_start_still_reads():
    flat = blueprints.values(digits())
    del flat["start"]
    assert blueprints.read(flat) == digits()


@pytest.mark.parametrize(("number", "name"), [(0, "stem"), (2, "block2"), ("0", "stem"), ("11", "block11")])
def test_a_block_may_be_given_by_its_number(number, name):
    assert Start(run="x", frozen=number).frozen == name


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"frozen": "head"}, "write start.frozen=stem, block1 or encoder"),
        ({"frozen": -1}, "frozen names a block"),
        ({"decay": 0.0}, "decay is a share"),
        ({"decay": math.nan}, "decay is a share"),
        ({"restore": "("}, "no regular expression"),
        ({"checkpoint": -1}, "leave it out for the last"),
        ({"run": ""}, "write start.run=runs/simclr"),
    ],
)
def test_what_cannot_be_is_refused_at_once(options, said):
    with pytest.raises(ValueError, match=said):
        Start(**{"run": "x", **options})


@pytest.mark.parametrize(
    ("start", "changes", "said"),
    [
        ({"run": "nowhere"}, {}, r"no run to start from in .*nowhere: it has no experiment\.json"),
        ({"restore": "decoder"}, {}, r"matches no weight of .*plain, whose names are encoder.* write start"),
        ({"restore": ".*"}, {}, r"head\.\d\.\w+ is in .* but not in this network"),
        ({"frozen": "block9"}, {}, "Conv has no block9 to freeze; there are: stem, block1, encoder"),
        ({"checkpoint": 99}, {}, r"has no checkpoint of step 99 .*; there are: 6"),
        (
            {},
            {"encoder": Conv(width=8, batch_norm=True)},
            r"encoder\.0\.0\.weight has the shape \[4, 1, 4, 4\] in .* and \[8, 1, 4, 4\] here, whose encoder is "
            r"another one; write encoder\.width=4$",
        ),
        ({}, {"encoder": Conv(width=4)}, r"but not in .*; write encoder\.batch_norm=True$"),
        ({}, {"encoder": RESIDUAL}, "write encoder=Conv encoder.width=4 encoder.batch_norm=True"),
    ],
)
def test_what_does_not_fit_is_one_sentence_before_anything_is_written(start, changes, said, pretrained, tmp_path):
    given = {"run": "plain", **start}
    with pytest.raises(ValueError, match=said) as caught:
        train(tuned(Start(**{**given, "run": str(pretrained / given["run"])}), **changes), tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_head_of_zeros_needs_weights_and_room(pretrained):
    run = str(pretrained / "plain")
    with pytest.raises(ValueError, match=r"write start\.zero_head=False"):
        digits(start=Start(run=run, zero_head=True))
    words = [
        "data=Digits",
        "encoder=Conv",
        "encoder.width=4",
        "encoder.batch_norm=True",
        "head=Identity",
        "head.dim=32",
    ]
    made = methods.vicreg.read([*words, "batch=64", f"start.run={run}", "start.zero_head=True"])
    with pytest.raises(ValueError, match="no weights that could be zero; write head=Linear"):
        Trainer(made, CPU)


@pytest.mark.parametrize("name", ["plain", "averaged"])
def test_the_encoder_is_the_one_that_the_run_keeps(name, pretrained, tmp_path):
    run, start = Run(pretrained / name), Start(run=str(pretrained / name))
    trainer = Trainer(tuned(start), CPU)
    expected = state(run.student())
    assert state(trainer.model.student).keys() == expected.keys()
    assert all(torch.equal(value, expected[key]) for key, value in state(trainer.model.student).items())
    fresh = tuned(None).model().student
    assert all(
        torch.equal(value, fresh.state_dict()[key]) for key, value in state(trainer.model.student, "head").items()
    )
    if name == "averaged":
        tensors = run.checkpoint().tensors
        assert not all(torch.equal(value, tensors[f"model.student.{key}"]) for key, value in expected.items())


def test_a_pattern_chooses_what_is_restored(pretrained):
    run = pretrained / "plain"
    source = Run(run).student().state_dict()
    for pattern, taken in {
        r".*": "",
        r"encoder\.0": "encoder.0",
        r"(?!head)": "encoder",
        r"head\.0|into": "head.0",
    }.items():
        experiment = digits(encoder=NORMED, seed=5, start=Start(run=str(run), restore=pattern))
        found, fresh = Trainer(experiment, CPU).model.student.state_dict(), experiment.model().student.state_dict()
        for name, value in found.items():
            assert torch.equal(value, source[name] if name.startswith(taken) else fresh[name]), (pattern, name)


def test_a_checkpoint_can_be_named_by_its_folder_or_step(tmp_path):
    run = train(digits(encoder=NORMED, steps=4), tmp_path / "run", save_seconds=0.0, console=QUIET)
    folder = run.path / "checkpoints" / "step-000000003"
    third, last = (Start(run=str(run.path), checkpoint=step).read() for step in (3, None))
    assert (third.step, last.step) == (3, 4)
    named = Start(run=str(folder)).read()
    assert named.step == 3
    assert fingerprint(named.tensors) == fingerprint(third.tensors) != fingerprint(last.tensors)


def test_a_damaged_checkpoint_is_said_and_the_one_before_used(tmp_path):
    run = train(digits(encoder=NORMED, steps=4), tmp_path / "run", save_seconds=0.0, console=QUIET)
    (run.path / "checkpoints" / "step-000000004" / "state.json").write_text("")
    with pytest.warns(UserWarning, match="starting from step 3 instead"):
        assert Start(run=str(run.path)).read().step == 3


FROZEN = [("plain", NORMED, "stem"), ("plain", NORMED, "block1"), ("plain", NORMED, "encoder")]
FROZEN += [("residual", RESIDUAL, name) for name in ("stem", "block1", "block3", "block4")]


@pytest.mark.parametrize(("name", "encoder", "frozen"), FROZEN)
def test_only_what_is_behind_the_frozen_blocks_changes(name, encoder, frozen, pretrained):
    """Not a bit of a frozen block, statistics of batch normalization included; all of the others."""
    trainer = Trainer(tuned(Start(run=str(pretrained / name), frozen=frozen), encoder=encoder), CPU)
    student = trainer.model.student
    there = blocks(student.encoder, encoder)
    last = len(there) if frozen == "encoder" else [*there].index(frozen) + 1
    for block, modules in enumerate(there.values()):
        assert all(p.requires_grad == (block >= last) for module in modules for p in module.parameters())
    before = {block: [fingerprint(m.state_dict()) for m in modules] for block, modules in there.items()}
    head = fingerprint(student.head.state_dict())
    trainer.advance()
    trainer.score()
    trainer.advance()
    for block, modules in enumerate(there.values()):
        for module, mark in zip(modules, before[[*there][block]], strict=True):
            if module.state_dict():
                assert (fingerprint(module.state_dict()) == mark) == (block < last), (block, module)
    assert fingerprint(student.head.state_dict()) != head
    listed = [p for group in trainer.optimizer.param_groups for p in group["params"]]
    assert {id(p) for p in listed} == {id(p) for p in student.parameters() if p.requires_grad}


def test_frozen_blocks_give_what_they_give_in_evaluation(pretrained):
    """Their batch normalization goes by what it learned, also while the rest trains; and nothing drops out in them."""
    dropping = Conv(width=4, batch_norm=True, dropout=0.5)
    trainer = Trainer(tuned(Start(run=str(pretrained / "plain"), frozen="encoder"), encoder=dropping), CPU)
    x = torch.randint(0, 256, (7, 1, 8, 8), dtype=torch.uint8)
    student = trainer.model.student
    assert student.training and student.head.training
    with torch.no_grad():
        expected = Run(pretrained / "plain").student().features(x)
        torch.testing.assert_close(student.features(x), expected)
        trainer.model.eval()
        trainer.model.train()
        torch.testing.assert_close(student.features(x), expected)


def test_a_network_in_which_everything_is_frozen_is_refused(pretrained):
    start = Start(run=str(pretrained / "plain"), frozen="encoder")
    identity = methods.simclr.read(["data=Digits", "encoder=Conv", "encoder.width=4", "head=Identity", "head.dim=32"])
    with pytest.raises(ValueError, match="nothing is left to learn"):
        chz.replace(identity, start=start).model()


def test_the_first_outputs_are_all_zero_where_the_head_is(pretrained):
    start = Start(run=str(pretrained / "plain"), zero_head=True)
    trainer = Trainer(tuned(start), CPU)
    outputs = trainer.model.student(torch.rand(5, 1, 8, 8))
    assert torch.equal(outputs, torch.zeros(5, 10))
    loss, _ = trainer.advance()
    assert float(loss.total.detach()) == pytest.approx(math.log(10), rel=1e-6)
    assert trainer.model.student(torch.rand(5, 1, 8, 8)).abs().max() > 0


def test_blocks_have_rates_of_their_own(pretrained):
    """decay^(K - b) for block b = 0, ..., K - 1, and 1 for the head; every parameter is in one group."""
    start = Start(run=str(pretrained / "residual"), decay=0.5)
    trainer = Trainer(tuned(start, encoder=RESIDUAL, **{"optimizer.rate": 0.01}), CPU)
    student, optimizer = trainer.model.student, trainer.optimizer
    peaks = {id(p): group["peak"] for group in optimizer.param_groups for p in group["params"]}
    assert len(peaks) == sum(len(group["params"]) for group in optimizer.param_groups)
    there = blocks(student.encoder, RESIDUAL)
    assert [*there] == ["stem", "block1", "block2", "block3", "block4"]
    for block, modules in enumerate(there.values()):
        found = {peaks[id(p)] for module in modules for p in module.parameters()}
        assert [*found] == pytest.approx([0.01 * 0.5 ** (5 - block)])
    assert {peaks[id(p)] for p in student.head.parameters()} == {0.01}


@pytest.mark.parametrize(
    ("encoder", "shape"), [(Mlp(widths=(3, 2)), (4,)), (ResidualMlp(norm=True), (4,)), (RESIDUAL, (1, 8, 8))]
)
def test_every_weight_of_an_encoder_is_in_one_block(encoder, shape):
    network, _ = encoder.build(shape)
    found = [id(p) for modules in blocks(network, encoder).values() for m in modules for p in m.parameters()]
    assert sorted(found) == sorted(id(p) for p in network.parameters())


def test_a_network_without_parts_is_its_own_stem():
    network = torch.nn.Linear(3, 2)
    assert blocks(network, Mlp()) == {"stem": [network]}


def test_a_teacher_that_is_a_copy_starts_as_one(pretrained):
    run = str(pretrained / "plain")
    changes = {"data": Digits(), "encoder": NORMED, "batch": 64, "steps": 3, "head.hidden": 16, "head.dim": 8}
    trainer = Trainer(methods.byol(**changes, start=Start(run=run, frozen="stem")), CPU)
    own, teacher = (part for part in trainer.model.modules() if isinstance(part, Student))
    assert own is not teacher
    assert fingerprint(own.state_dict()) == fingerprint(teacher.state_dict())
    before = fingerprint(teacher.encoder[0].state_dict())
    trainer.advance()
    assert fingerprint(own.encoder[0].state_dict()) == before
    torch.testing.assert_close(teacher.encoder[0].state_dict(), own.encoder[0].state_dict())
    assert not teacher.encoder[0].training and teacher.encoder[1].training


def test_a_run_says_what_it_started_from(pretrained, tmp_path):
    start = Start(run=str(pretrained / "plain"), frozen="stem")
    console = Console(record=True, width=200, file=io.StringIO())
    run = train(tuned(start), tmp_path / "run", console=console)
    told = json.loads((run.path / "start.json").read_text())
    assert (told["run"], told["step"]) == (start.run, 6)
    assert told["fingerprint"] == fingerprint(start.read().tensors)
    assert all(name.startswith("encoder.") for name in told["restored"])
    said = console.export_text()
    assert "frozen up to stem: " in said and f"of {start.run}, step 6" in said


def test_a_run_that_was_stopped_goes_on_without_the_folder_it_started_from(pretrained, tmp_path, monkeypatch):
    source = shutil.copytree(pretrained / "plain", tmp_path / "source")
    experiment = tuned(Start(run=str(source), frozen="stem", decay=0.5), average=0.9)
    whole = train(experiment, tmp_path / "whole", console=QUIET)
    advance = loop.Trainer.advance

    def interrupted(trainer):
        if trainer.step == 2:
            signal.raise_signal(signal.SIGTERM)
        return advance(trainer)

    monkeypatch.setattr(loop.Trainer, "advance", interrupted)
    with pytest.raises(Interrupted):
        train(experiment, tmp_path / "cut", console=QUIET)
    monkeypatch.undo()
    told = (tmp_path / "cut" / "start.json").read_text()
    shutil.rmtree(source)
    resumed = train(experiment, tmp_path / "cut", resume=True, console=QUIET)
    assert fingerprint(resumed.checkpoint().tensors) == fingerprint(whole.checkpoint().tensors)
    assert (tmp_path / "cut" / "start.json").read_text() == told
    assert Run(tmp_path / "cut").encode("test").values.shape == (450, 32)


def test_a_run_that_saved_nothing_starts_anew_from_the_same_weights(pretrained, tmp_path):
    experiment = tuned(Start(run=str(pretrained / "plain")))
    whole = train(experiment, tmp_path / "run", console=QUIET).checkpoint()
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    with pytest.warns(UserWarning, match="starting from the first step"):
        again = train(experiment, tmp_path / "run", resume=True, console=QUIET).checkpoint()
    assert fingerprint(again.tensors) == fingerprint(whole.tensors)


def test_the_untrained_network_of_a_run_has_random_weights(pretrained, tmp_path):
    """Whatever it started from: nobody has trained it."""
    run = train(tuned(Start(run=str(pretrained / "plain"))), tmp_path / "run", console=QUIET)
    fresh = tuned(None).model().student
    found = dict(run.student(untrained=True).named_parameters())
    assert all(torch.equal(value, found[name]) for name, value in fresh.named_parameters())


@pytest.mark.slow
def test_processes_start_alike(pretrained, tmp_path):
    changes = {"start.run": str(pretrained / "plain"), "start.frozen": "stem", "start.decay": 0.5}
    with started(2, "train", tmp_path / "two", json.dumps(changes), "{}") as here:
        statuses, said = finished(here)
    assert statuses == [0, 0], said
    one = train(pictures("simclr", **changes), tmp_path / "one", threads=1, console=QUIET).checkpoint().tensors
    two = Run(tmp_path / "two").checkpoint().tensors
    assert one.keys() == two.keys()
    assert max(float((one[key].double() - value.double()).abs().max()) for key, value in two.items()) <= 1e-5
    frozen = [key for key in two if key.startswith("model.student.encoder.0.")]
    assert all(torch.equal(one[key], two[key]) for key in frozen)
    with started(2, "train", tmp_path / "none", json.dumps({"start.run": str(tmp_path / "x")}), "{}") as here:
        statuses, said = finished(here)
    assert all(statuses)
    assert all("no run to start from" in text for text in said)
