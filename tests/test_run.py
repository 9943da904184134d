import numpy as np
import pytest
import torch
from rich.console import Console

from kontrast import Run, probes, train
from kontrast.checkpoints import DamagedCheckpoint
from kontrast.datasets import ImageFolder
from kontrast.encoders import Conv
from kontrast.objectives import InfoNCE
from kontrast.similarities import Dot, Lp
from kontrast.spaces import Box, Product, Sphere

from small import digits, latents

QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(digits(steps=30), tmp_path_factory.mktemp("runs") / "digits", save_seconds=0.0, console=QUIET)


@pytest.fixture(scope="module")
def inversion(tmp_path_factory):
    return train(latents(steps=200), tmp_path_factory.mktemp("runs") / "latents", console=QUIET)


def test_features_are_those_of_the_frozen_student(run):
    features = run.encode("test")
    assert features.values.shape == (450, 32)
    student = run.student()
    things = next(run.experiment.data.open("test").chunks(450))
    with torch.no_grad():
        expected = student.features(things.observations)
        embedded = student(things.observations)
    np.testing.assert_allclose(features.values, expected.numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(run.encode("test", "embedding").values, embedded.numpy(), rtol=1e-4, atol=1e-5)
    assert (features.labels == things.labels.numpy()).all()
    raw = run.encode("test", "raw").values
    assert (raw == things.observations.flatten(1).numpy()).all()


def test_the_untrained_encoder_is_the_one_before_the_first_step(run):
    student = run.experiment.model().student.eval()
    things = next(run.experiment.data.open("test").chunks(450))
    with torch.no_grad():
        expected = student.features(things.observations)
    np.testing.assert_allclose(run.encode("test", untrained=True).values, expected.numpy(), rtol=1e-4, atol=1e-5)
    assert not np.allclose(run.encode("test").values, expected.numpy())


def test_encoding_changes_nothing_in_the_folder(run):
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    run.encode("train", limit=100)
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before


def test_an_earlier_checkpoint_can_be_asked(run):
    assert not np.allclose(run.encode("test", step=29).values, run.encode("test").values)
    with pytest.raises(ValueError, match="there are: 29, 30"):
        run.encode("test", step=3)


def test_probes_come_with_their_baselines(run):
    rows = run.probe(probes.Linear(), probes.KNN(k=20))
    found = {(row.probe, row.metric): row for row in rows}
    row = found["Linear", "accuracy"]
    assert None not in (row.value, row.untrained, row.raw, row.chance)
    assert row.value > row.chance
    assert "1,347" in row.protocol.replace("1347", "1,347")
    assert "layer: feature" in row.protocol


def test_recovery_of_latents_has_an_untrained_encoder_and_a_null_beside_it(inversion):
    found = {row.metric: row for row in inversion.probe(probes.Recovery(), limit=2000)}
    row = found["r2/mean"]
    assert row.value > row.untrained > row.null
    assert abs(row.null) < 0.05
    assert {"r2/mean", "r2/z0", "r2/z1", "r2/z2"} <= set(found)


def test_a_label_probe_without_labels_is_refused_before_any_encoding(inversion, monkeypatch):
    monkeypatch.setattr(Run, "student", lambda *_: pytest.fail("encoded before the check"))
    with pytest.raises(ValueError, match="label"):
        inversion.probe(probes.Linear())


def test_a_recovery_probe_without_latents_is_refused(run):
    with pytest.raises(ValueError, match="latents"):
        run.probe(probes.Recovery())


def test_a_folder_that_holds_no_run_is_said(tmp_path):
    with pytest.raises(ValueError, match=r"no experiment\.json"):
        Run(tmp_path)


def test_a_run_without_checkpoint_is_said(tmp_path, run):
    (tmp_path / "experiment.json").write_bytes((run.path / "experiment.json").read_bytes())
    with pytest.raises(DamagedCheckpoint, match="train it first"):
        Run(tmp_path).encode("test")
    (tmp_path / "experiment.json").write_text("{")
    with pytest.raises(ValueError, match="not JSON"):
        Run(tmp_path).encode("test")


def test_a_damaged_checkpoint_is_said_and_the_one_before_used(tmp_path, run):
    import shutil

    copy = shutil.copytree(run.path, tmp_path / "copy")
    expected = run.encode("test", step=29).values
    (copy / "checkpoints" / "step-000000030" / "state.json").write_text("")
    with pytest.warns(UserWarning, match="using step 29 instead"):
        assert np.array_equal(Run(copy).encode("test").values, expected)


def test_pictures_of_a_folder_can_be_embedded(tmp_path, run):
    from PIL import Image

    for number in range(3):
        Image.fromarray(np.full((8, 8), 80 * number, np.uint8)).save(tmp_path / f"{number}.png")
    folder = ImageFolder(root=str(tmp_path), size=8, channels=1, test=0.0)
    assert run.encode("train", data=folder).values.shape == (3, 32)


def test_the_untrained_network_has_the_batch_statistics_of_the_data(tmp_path):
    run = train(digits(encoder=Conv(width=4, batch_norm=True)), tmp_path / "run", console=QUIET)
    student = run.student(untrained=True)
    things = next(run.experiment.data.open("train").chunks(2000))
    layer = next(module for module in student.modules() if isinstance(module, torch.nn.BatchNorm2d))
    inputs = []
    layer.register_forward_pre_hook(lambda _, x: inputs.append(x[0]))
    with torch.no_grad():
        student.features(things.observations)
    torch.testing.assert_close(layer.running_mean, inputs[0].mean((0, 2, 3)), rtol=0.1, atol=0.02)
    weights = run.experiment.model().student.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in student.named_parameters())


def test_scores_say_which_checkpoint_they_are_of(run):
    assert {row.step for row in run.probe(probes.KNN(), baselines=False)} == {30}
    assert {row.step for row in run.probe(probes.KNN(), baselines=False, step=29)} == {29}


@pytest.mark.parametrize(
    ("options", "said"), [({"layer": "features"}, "did you mean 'feature'"), ({"limit": 0}, "nothing to encode")]
)
def test_what_cannot_be_encoded_is_refused(options, said, run):
    with pytest.raises(ValueError, match=said):
        run.encode("test", **options)


def test_data_of_another_shape_is_refused(run):
    from kontrast.datasets import Sprites

    with pytest.raises(ValueError, match=r"trained on shape \(1, 8, 8\), not \(1, 16, 16\)"):
        run.encode("test", data=Sprites(size=16))


@pytest.mark.parametrize(
    ("space", "objective", "names"),
    [
        (Sphere(radius=2.0, learned=True), InfoNCE(similarity=Dot()), ["into.log_radius"]),
        (Box(learned=True), InfoNCE(similarity=Lp(p=1), temperature=0.05), ["into.log_width"]),
        (
            Product(first=Box(learned=True), second=Sphere(learned=True), split=1),
            InfoNCE(similarity=Lp(p=2), temperature=0.05),
            ["into.first.log_width", "into.second.log_radius"],
        ),
    ],
    ids=["sphere", "box", "product"],
)
def test_what_a_space_learned_survives_the_checkpoint(space, objective, names, tmp_path):
    out = tmp_path / "run"
    train(latents(steps=20, space=space, objective=objective, learned_rate=20.0), out, console=QUIET)
    run = Run(out)
    before, after = run.student(untrained=True).state_dict(), run.student().state_dict()
    assert [name for name in after if name.startswith("into.")] == names
    for name in names:
        assert not torch.equal(before[name], after[name])
        assert torch.equal(after[name], run.checkpoint().tensors[f"model.student.{name}"])
    values = torch.from_numpy(run.encode("test", "embedding", limit=1000).values)
    if isinstance(space, Sphere):
        torch.testing.assert_close(values.norm(dim=1), after[names[0]].exp().expand(1000))
    if isinstance(space, Box):
        assert ((values >= 0) & (values <= after[names[0]].exp())).all()
        things = next(run.experiment.data.open("test").chunks(1000))
        with torch.no_grad():
            student = run.student()
            raw = student.head(student.features(things.observations))
        torch.testing.assert_close(values, after[names[0]].exp() * raw.sigmoid(), rtol=1e-4, atol=1e-5)
    untrained = run.encode("test", "embedding", limit=1000, untrained=True).values
    assert not np.allclose(values, untrained)


@pytest.fixture
def forwards(monkeypatch):
    """How many rows pass through a network: a list of the size of every batch that is encoded."""
    from kontrast.model import Student

    sizes, features = [], Student.features
    monkeypatch.setattr(Student, "features", lambda self, x: sizes.append(len(x)) or features(self, x))
    return sizes


def test_blocks_are_what_their_last_module_gives_averaged_over_the_picture(run):
    found = run.encode_layers("test", ["raw", "stem", "block1", "feature", "embedding"])
    encoder = run.student().encoder
    things = next(run.experiment.data.open("test").chunks(450))
    with torch.no_grad():
        x = (things.observations.float() / 255).contiguous(memory_format=torch.channels_last)
        stem = encoder[0](x)
        block1 = encoder[1](stem).flatten(1)
    np.testing.assert_allclose(found["stem"].values, stem.mean((2, 3)).numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found["block1"].values, block1.numpy(), rtol=1e-4, atol=1e-5)
    for layer, features in found.items():
        assert np.array_equal(features.values, run.encode("test", layer).values)
        assert features.values.dtype == np.float32


def test_a_layer_that_is_not_there_is_answered_with_those_that_are(run):
    with pytest.raises(ValueError, match="there are feature, embedding, raw, stem, block1"):
        run.encode("test", "block2")
    with pytest.raises(ValueError, match="there are feature, embedding, raw, stem, block1"):
        run.examine(probes.KNN(layer="block2"))


def test_all_probes_and_layers_take_one_pass(run, forwards):
    asked = [probe(layer=layer) for probe in (probes.Linear, probes.KNN) for layer in ("stem", "feature", "embedding")]
    found = run.examine(*asked, baselines=False, cache=False)
    assert len({row.probe for row in found.scores}) == 6
    assert sum(forwards) == 1347 + 450


def test_probes_of_latents_take_one_pass_too(inversion, forwards):
    asked = [probes.Recovery(layer=layer) for layer in ("stem", "feature", "embedding")]
    found = inversion.examine(*asked, probes.MCC(), baselines=False, cache=False, limit=1000)
    assert {row.seed for row in found.scores} == {0}
    assert sum(forwards) == 2000


def test_names_tell_probes_of_one_class_apart(run):
    rows = run.probe(probes.KNN(), probes.KNN(k=50), probes.KNN(layer="stem", temperature=0.1), baselines=False)
    found = [row.probe for row in rows if row.metric == "accuracy"]
    assert found == ["KNN", "KNN k=50", "KNN layer=stem temperature=0.1"]


def test_rows_have_digests_and_an_origin(run):
    from kontrast.datasets import Digits, Subset

    whole = run.encode("train", "raw")
    some = run.encode("train", "raw", data=Subset(of=Digits(), fraction=0.1))
    held = run.encode("test", "raw", data=Subset(of=Digits(), holdout=0.1, test="held"))
    assert whole.origin == some.origin == held.origin != run.encode("test", "raw").origin
    assert whole.digest.dtype == np.uint64
    assert np.array_equal(whole.digest[some.index], some.digest)
    assert len(set(whole.digest.tolist())) == len({row.tobytes() for row in whole.values})


def test_a_test_split_that_overlaps_is_refused(run):
    from kontrast.datasets import Digits, Subset

    held = Subset(of=Digits(), holdout=0.3, test="held")
    train, test = run.encode("train", data=Digits()), run.encode("test", data=held)
    with pytest.raises(ValueError, match="the test rows overlap the training rows: 404 of 404 are rows of both"):
        probes.KNN()(train, test)
    assert probes.KNN()(run.encode("train", data=held), test).values


def test_fractions_are_the_rows_that_subset_chooses(run):
    from kontrast.datasets import Digits, Subset

    found = run.examine(probes.KNN(k=5), fraction=(0.05, 0.1), cache=False)
    for fraction in (0.05, 0.1):
        subset = Subset(of=Digits(), fraction=fraction)
        expected = probes.KNN(k=5)(run.encode("train", data=subset), run.encode("test"))
        row = next(row for row in found.scores if row.probe == f"KNN k=5 fraction={fraction:g}")
        assert row.value == expected.values["accuracy"]
        assert row.untrained is not None
        assert row.raw is not None
    assert len({row.split for row in found.scores}) == 2


def test_a_fraction_leaves_rows_held_out_as_they_are(run):
    from kontrast.datasets import Digits, Subset

    held = Subset(of=Digits(), holdout=0.3, test="held")
    row = run.examine(probes.KNN(k=5), fraction=0.1, data=held, baselines=False, cache=False).scores[0]
    assert "scored on 404" in row.protocol
    assert "10 % of the training rows, 94, as many of each class" in row.protocol


def test_a_ceiling_is_asked_about_the_same_rows(run, tmp_path):
    from kontrast import methods

    options = {"data": digits().data, "encoder": Conv(width=4), "batch": 64, "epochs": None, "steps": 20}
    ceiling = train(methods.supervised(**options), tmp_path / "ceiling", console=QUIET)
    row = run.examine(probes.KNN(), ceiling=ceiling, cache=False).scores[0]
    assert row.ceiling == probes.KNN()(ceiling.encode("train"), ceiling.encode("test")).values["accuracy"]
    assert row.value == probes.KNN()(run.encode("train"), run.encode("test")).values["accuracy"]


def test_a_ceiling_is_named_and_must_have_been_told_the_truth(run, inversion, tmp_path):
    from kontrast import methods

    options = {"data": digits().data, "encoder": Conv(width=4), "batch": 64, "epochs": None, "steps": 2}
    ceiling = train(methods.supervised(**options), tmp_path / "truth", console=QUIET)
    told, alone = run.examine(probes.KNN(), ceiling=ceiling), run.examine(probes.KNN())
    assert all(row.protocol.endswith("; ceiling: truth") for row in told.scores)
    assert not any("ceiling" in row.protocol for row in alone.scores)
    with pytest.raises(ValueError, match="was not told the truth in training, but InfoNCE"):
        run.examine(probes.KNN(), ceiling=run)


def test_scores_of_other_data_are_named_by_them_and_limits_said(run):
    from kontrast.datasets import Digits, Subset

    row = run.examine(probes.KNN(), baselines=False, data=Digits(), limit=300).scores[0]
    assert row.probe == "KNN"
    assert "at most 300 rows of each split" in row.protocol
    held = Subset(of=Digits(), holdout=0.3, test="held")
    row = run.examine(probes.KNN(k=5), baselines=False, data=held, fraction=0.1).scores[0]
    assert row.probe == "KNN k=5 data=Subset(holdout=0.3, test=held) fraction=0.1"
    assert "rows of other data: Subset(holdout=0.3, test=held)" in row.protocol


def test_data_of_many_options_have_a_short_name_of_their_own():
    from kontrast.examination import label

    names = {label(probes.KNN(), data=ImageFolder(root=f"a/{'b' * 80}/{at}", size=8)) for at in range(2)}
    assert len(names) == 2
    assert all(name.startswith("KNN data=ImageFolder~") and len(name) < 40 for name in names)


def test_what_the_data_do_not_allow_is_said_for_each_probe(run):
    refused = run.refusals(probes.Linear(), probes.Recovery(), probes.KNN())
    assert list(refused) == [probes.Recovery()]
    assert "latents" in refused[probes.Recovery()]
