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
    assert set(found) == {"r2/mean", "r2/z0", "r2/z1", "r2/z2"}


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
