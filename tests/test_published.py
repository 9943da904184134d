"""Published settings: each an experiment with its paper's numbers, which one name gives and which trains."""

import functools
import inspect
import itertools

import pytest
import torch
from torch import nn

from kontrast import encoders, methods, objectives, optimizers, schedules, similarities, spaces, teachers
from kontrast.blueprints import read, values
from kontrast.datasets import Digits, ImageNet100
from kontrast.methods.method import over
from kontrast.methods.published import SETTINGS, fields
from kontrast.optimizers import Group
from kontrast.training import Trainer

METHODS = ("simclr", "supcon", "barlow_twins", "simsiam", "vicreg", "byol", "probabilistic")
DATA = {"cifar10": "CIFAR10", "stl10": "STL10", "imagenet100": "ImageNet100", "imagenet": "ImageNet"}
LEARNED = {"supcon": "temperature", "simclr": "temperature", "probabilistic": "temperature", "barlow_twins": "weight"}
SAID = (
    *("data", "pairing.recipe", "encoder", "encoder.depth", "encoder.stem", "head", "head.layers", "head.hidden"),
    *("head.dim", "head.last_norm", "optimizer", "optimizer.rate", "optimizer.scaling", "optimizer.weight_decay"),
    *("schedule", "epochs", "batch", "joint", "precision"),
)
every = pytest.mark.parametrize("name", SETTINGS)


@pytest.fixture
def preset(tmp_path):
    """A setting as an experiment, with folders of ImageNet's classes where labels are keys."""

    def make(name):
        if not name.startswith("supcon-imagenet"):
            return methods.get(name)()
        for wnid in ImageNet100().chosen():
            (tmp_path / "train" / wnid).mkdir(parents=True, exist_ok=True)
        return methods.get(name)(**{"data.root": str(tmp_path)})

    return make


def test_all_methods_are_there_for_all_data_sets():
    assert {f"{method}-{where}" for method, where in itertools.product(METHODS, DATA)} <= {*SETTINGS}
    for name in SETTINGS:
        method, _, where = name.partition("-")
        assert where in methods.known()[method].settings
        assert SETTINGS[name].values["data"].__name__ == DATA[where.partition("-")[0]]


@every
def test_it_is_an_experiment_that_its_name_alone_gives(name, preset):
    made = preset(name)
    assert made.method == name
    assert read(values(made)) == made
    assert methods.words(made) == [name] + [f"data.root={made.data.root}"] * (made.data.root is not None)
    method, _, where = name.partition("-")
    at = methods.known()[method].at(where)
    assert (at.name, at.values) == (name, methods.get(name).values)


@every
def test_it_says_where_it_comes_from(name):
    said = inspect.getdoc(methods.get(name))
    assert said.endswith(f" Setting: {SETTINGS[name].source}.") and "\n" not in said
    assert any(part in said.partition(" Setting: ")[2] for part in ("arXiv ", "/", *SETTINGS))


@every
def test_it_says_every_size_itself(name):
    """Nothing of the preset for a laptop is left in a published setting, but what the method is."""
    method, own = name.partition("-")[0], SETTINGS[name].values
    needed = [*SAID, *(f"objective.{LEARNED[method]}" for _ in LEARNED if method in LEARNED)]
    needed += ["predictor.hidden"] if method in ("simsiam", "byol") else []
    needed += ["teacher.rate", "teacher.final"] if method == "byol" else []
    assert not [path for path in needed if path not in own]
    left = {path for path in methods.get(name).values if path not in own}
    parts = {"pairing", "pairing.key", "space", "teacher", "objective", "predictor_schedule"}
    assert left <= parts | {"objective.similarity", "objective.candidates"}


@every
def test_a_small_version_trains(name, preset):
    published = preset(name)
    made = small(name)
    assert type(made.objective) is type(published.objective) and type(made.optimizer) is type(published.optimizer)
    trainer = Trainer(made, torch.device("cpu"))
    for _ in range(2):
        loss, *_ = trainer.advance()
        assert loss.total.isfinite()


def small(name, precision="float32"):
    """A setting with views of 16 pixels, a network of few channels and a batch of 8."""
    own = methods.get(name).values
    sizes = {"head.hidden": 16, "head.dim": 8, "predictor.hidden": 8, "micro": 4}
    changes = {path: size for path, size in sizes.items() if path in own}
    changes |= {f"pairing.{view}.crop.size": 16 for view in ("recipe", "second") if own[f"pairing.{view}"] is not None}
    network = {"encoder.width": 4, "encoder.depth": 18, "encoder.stem": "cifar"}
    return methods.get(name)(data=Digits(), batch=8, epochs=1.0, precision=precision, **changes, **network)


@pytest.mark.parametrize("name", ["barlow_twins-cifar10", "supcon-imagenet"])
def test_a_low_precision_trains_on_a_processor_too(name):
    trainer = Trainer(small(name, SETTINGS[name].values["precision"]), torch.device("cpu"))
    assert trainer.advance()[0].total.isfinite()


# Depth, batch, epochs, epochs of warm-up, peak rate, and the numbers of the loss, as the papers and programs have them.
NUMBERS = {
    "simclr-cifar10": (18, 512, 1000, 10, 2.0, {"temperature": 0.5}),
    "simclr-cifar10-ablation": (18, 256, 200, 10, 0.1, {"temperature": 0.5}),
    "simclr-cifar10-micro": (50, 512, 100, 0, 1e-3, {"temperature": 0.5}),
    "simclr-stl10": (18, 512, 2000, 500 / 205, 2e-3, {"temperature": 0.5}),
    "simclr-imagenet100": (18, 256, 400, 10, 0.3, {"temperature": 0.2}),
    "simclr-imagenet100-short": (18, 256, 100, 10, 0.3 / 2, {"temperature": 0.2}),
    "simclr-imagenet100-multicrop": (18, 256, 100, 10, 0.3 / 2, {"temperature": 0.1, "denominator": "one"}),
    "simclr-imagenet": (50, 4096, 100, 10, 4.8, {"temperature": 0.1}),
    "supcon-cifar10": (50, 1024, 1000, 10, 0.5 / 0.7, {"temperature": 0.1}),
    "supcon-imagenet100": (18, 256, 400, 10, 0.5, {"temperature": 0.2}),
    "supcon-imagenet": (50, 6144, 350, 12, 9.6, {"temperature": 0.1}),
    "barlow_twins-cifar10": (18, 256, 1000, 10, 0.3 * 0.1, {"weight": 0.0051}),
    "barlow_twins-stl10": (50, 128, 1000, 0, 1e-3, {"weight": 0.0078125}),
    "barlow_twins-imagenet": (50, 2048, 1000, 10, 1.6, {"weight": 0.0051}),
    "simsiam-cifar10": (18, 512, 800, 0, 0.06, {}),
    "simsiam-imagenet": (50, 512, 100, 0, 0.1, {}),
    "vicreg-cifar10": (18, 256, 1000, 10, 0.3, {"invariance": 25, "variance": 25, "covariance": 1}),
    "vicreg-imagenet": (50, 2048, 1000, 10, 1.6, {"invariance": 25, "variance": 25, "covariance": 1}),
    "byol-cifar10": (18, 256, 1000, 10, 1.0 * 4, {}),
    "byol-imagenet": (50, 4096, 1000, 10, 3.2, {}),
    "probabilistic-cifar10": (50, 512, 100, 0, 1e-3, {"temperature": 0.5, "candidates": "cross"}),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_its_numbers_are_those_that_were_published(name, preset):
    made = preset(name)
    depth, batch, epochs, warmup, peak, loss = NUMBERS[name]
    assert isinstance(made.encoder, encoders.ResNet)
    assert (made.encoder.depth, made.batch, made.epochs) == (depth, batch, epochs)
    assert made.optimizer.peak(batch) == pytest.approx(peak)
    assert made.schedule.warmup * epochs == pytest.approx(warmup)
    assert {key: getattr(made.objective, key) for key in loss} == loss


def test_the_methods_are_what_their_papers_say(preset):
    for where in DATA:
        assert isinstance(preset(f"simclr-{where}").objective, objectives.InfoNCE)
        assert preset(f"supcon-{where}").pairing.key == "label"
        assert preset(f"byol-{where}").teacher == teachers.Momentum(rate=0.996 if where == "imagenet" else 0.99)
        assert preset(f"simsiam-{where}").predictor_schedule == schedules.Constant()
        assert preset(f"vicreg-{where}").space == spaces.Euclidean()
        latent = preset(f"probabilistic-{where}")
        assert latent.space == spaces.Simplex(beta=0.8) and latent.objective.similarity == similarities.LatentClass()
        views = [preset(f"{method}-{where}").joint for method in ("barlow_twins", "simsiam", "vicreg", "byol")]
        assert not any(views)
    assert preset("simclr-cifar10").joint and not preset("simclr-imagenet100").joint
    assert preset("simclr-cifar10-micro").micro == 64 and preset("simclr-cifar10-micro").accumulation == "plain"


def test_views_are_made_unlike_where_the_paper_has_it_so(preset):
    first, second = preset("byol-imagenet").pairing.recipe, preset("byol-imagenet").pairing.second
    assert (first.blur.p, second.blur.p, first.solarize, second.solarize.p) == (1.0, 0.1, None, 0.2)
    first, second = preset("barlow_twins-cifar10").pairing.recipe, preset("barlow_twins-cifar10").pairing.second
    assert (first.blur, second.blur, first.solarize, second.solarize.p) == (None, None, None, 0.2)
    assert first.crop.scale == second.crop.scale == (0.08, 1.0)
    recipe = preset("vicreg-imagenet100").pairing.recipe
    assert (recipe.crop.scale, recipe.crop.size, recipe.blur.p, recipe.solarize.p) == ((0.2, 1.0), 224, 0.5, 0.1)
    assert preset("simclr-cifar10").pairing.recipe.blur is None
    assert preset("simclr-imagenet").pairing.recipe.jitter.brightness == 0.8
    many = preset("supcon-imagenet100-multicrop").pairing
    assert [each.crop.size for each in many.recipes(256, 256)] == [224] * 2 + [96] * 6


def test_weights_and_predictors_start_and_move_as_published(preset):
    assert preset("simclr-imagenet").head == methods.simclr.at("imagenet")().head
    google = preset("simclr-cifar10").head
    assert (google.layers, google.hidden, google.dim, google.last_norm, google.std) == (3, 512, 128, "scale", 0.01)
    assert preset("simsiam-imagenet").encoder.zero_init and preset("simsiam-imagenet").optimizer.exclude == "nothing"
    barlow = preset("barlow_twins-imagenet").optimizer
    assert barlow.excluded_rate * 16 * barlow.rate == pytest.approx(0.0048)


def steps(optimizer, factor, count=4):
    """Weights and biases after steps of an optimizer down `factor` times a loss."""
    generator = torch.Generator().manual_seed(0)
    weights = [nn.Parameter(torch.randn(shape, generator=generator, dtype=torch.float64)) for shape in ((4, 3), (3,))]
    target = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    made = optimizer.build([Group(weights)], 512)
    for step in range(count):
        optimizer.set_rates(made, schedules.WarmupCosine(warmup=0.5), step, count)
        made.zero_grad()
        (factor * ((weights[0] - target).square().sum() + (weights[1] * weights[0]).square().mean())).backward()
        made.step()
    return torch.cat([weight.detach().flatten() for weight in weights])


@pytest.mark.parametrize("factor", [0.05, 1.0, 4.0])
@pytest.mark.parametrize(
    "make",
    [
        fields.sgd,
        functools.partial(fields.lars, velocity="steps"),
        fields.lars,
        fields.clipped_lars,
        functools.partial(fields.clipped_lars, exclude="nothing"),
    ],
)
def test_a_multiple_of_the_loss_is_held_in_rates_and_decays(make, factor):
    def built(loss):
        options = dict(make(0.03, 1e-2, loss=loss))
        cls = options.pop("optimizer")
        return cls(**{path.removeprefix("optimizer."): value for path, value in options.items()})

    published = steps(built(1.0), factor)
    torch.testing.assert_close(steps(built(factor), 1.0), published, rtol=1e-6, atol=1e-9)
    if factor != 1:
        assert not torch.allclose(steps(built(1.0), 1.0), published, rtol=1e-4)


def test_another_part_takes_back_the_options_of_the_one_before():
    base = {"optimizer": optimizers.AdamW, "optimizer.rate": 1.0, "head": "a", "head.dim": 8}
    changed = over(base, {"optimizer": optimizers.SGD, "head": "a", "head.hidden": 4})
    assert changed == {"optimizer": optimizers.SGD, "head": "a", "head.dim": 8, "head.hidden": 4}


def test_a_wrong_setting_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match=r"no setting of simclr named 'cifar'; did you mean 'cifar10'\?"):
        methods.get("simclr-cifar")
    with pytest.raises(ValueError, match="inversion has no published settings; write inversion"):
        methods.get("inversion-cifar10")
    with pytest.raises(ValueError, match="did you mean 'simclr'"):
        methods.get("simclrr-cifar10")


def test_a_setting_takes_words_like_any_method():
    made = methods.get("simclr-cifar10").read(["data.root=pictures", "encoder.depth=50", "data=CIFAR100"])
    assert (made.data.root, made.encoder.depth, type(made.data).__name__) == ("pictures", 50, "CIFAR100")
    assert (
        methods.words(made)[0] == "simclr-cifar10"
        and methods.get("simclr-cifar10").read(methods.words(made)[1:]) == made
    )


def test_probabilistic_simclr_is_probabilistic():
    assert methods.probabilistic_simclr is methods.probabilistic
    assert methods.get("probabilistic_simclr-cifar10").name == "probabilistic-cifar10"
    assert "probabilistic_simclr" not in methods.known()
