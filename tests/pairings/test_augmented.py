import chz
import pytest
import torch

from kontrast import methods
from kontrast.augmentations import Blur, Crop, Flip, Recipe, Solarize
from kontrast.datasets import Digits
from kontrast.draws import Draws
from kontrast.encoders import ResNet
from kontrast.pairings import Augmented
from kontrast.pairings.augmented import smaller
from kontrast.training.trainer import Trainer
from kontrast.views import Things, Views

from vision import pictures

PICTURES = [
    "alignment_uniformity",
    "barlow_twins",
    "byol",
    "mcinfonce",
    "probabilistic",
    "sigreg",
    "simclr",
    "simsiam",
    "supcon",
    "vicreg",
]


def shown(pairing: Augmented, side: int = 32, channels: int = 3) -> Views:
    things = Things(pictures(8, channels, side, side), torch.arange(8))
    return pairing(things, Digits().open("train"), Draws(0, 0, 8))


def test_the_first_two_views_are_what_they_were_with_two() -> None:
    two, many = shown(Augmented()), shown(Augmented(large=3, small=2))
    assert all(torch.equal(one, other) for one, other in zip(two.views, many.views, strict=False))
    for number, view in enumerate(many.views[:3]):
        assert torch.equal(view, Recipe()(pictures(8), Draws(0, 0, 8).noise(torch.arange(8), 0, "view", number)))


def test_large_views_come_before_small_ones() -> None:
    views = shown(Augmented(large=2, small=3, local=Recipe(crop=Crop(size=12))))
    assert [view.shape[-1] for view in views.views] == [32, 32, 12, 12, 12]
    assert views.asking == views.answering == (0, 1, 2, 3, 4)
    assert shown(Augmented(large=2, small=3, answering="large")).answering == (0, 1)


@pytest.mark.parametrize(("side", "small"), [(8, 6), (28, 21), (32, 24), (96, 58), (224, 96)])
def test_small_views_have_the_usual_sides(side: int, small: int) -> None:
    recipe = smaller(Recipe(blur=None), side)
    assert recipe == Recipe(crop=Crop(scale=(0.05, 0.14), size=small), blur=None)
    assert smaller(Recipe(crop=Crop(size=side, ratio=(1.0, 1.0))), 500).crop == Crop(
        scale=(0.05, 0.14), size=small, ratio=(1.0, 1.0)
    )


def test_small_views_of_pictures_that_are_not_cropped_are_crops_all_the_same() -> None:
    recipe = Recipe(crop=None, order=("flip", "jitter", "grayscale", "blur"))
    pairing = Augmented(recipe=recipe, small=2)
    assert [view.shape[-1] for view in shown(pairing).views] == [32, 32, 24, 24]
    assert [*smaller(recipe, 32).steps()] == ["crop", "flip", "jitter", "grayscale", "blur"]
    placed = Recipe(crop=None, order=("flip", "crop", "jitter", "grayscale", "blur"))
    assert [*smaller(placed, 32).steps()][:2] == ["flip", "crop"]


def test_a_crop_that_is_none_needs_small_views_of_its_own() -> None:
    other = Recipe(crop=Blur())
    with pytest.raises(ValueError, match=r"the recipe has Blur in its place.*pairing\.local\.crop\.scale="):
        Augmented(recipe=other, small=2)
    assert Augmented(recipe=other, small=2, local=Recipe()).recipes(32, 32)[2] == Recipe()
    assert Augmented(recipe=other).small == 0


def test_labels_of_data_that_are_not_here_are_believed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(dataset: Digits) -> tuple[str, ...]:
        raise FileNotFoundError("they are not here")

    pairing = Augmented(key="label")
    monkeypatch.setattr(Digits, "classes", property(absent))
    pairing.check(Digits())
    with pytest.raises(ValueError, match=r"Digits has no labels to pair by; write pairing\.key=index"):
        shown(pairing)
    monkeypatch.setattr(Digits, "classes", ())
    with pytest.raises(ValueError, match=r"Digits has no labels to pair by; write pairing\.key=index"):
        pairing.check(Digits())


def test_small_views_show_small_parts() -> None:
    pairing = Augmented(recipe=Recipe(flip=None, jitter=None, grayscale=None, blur=None), small=1)
    crop = pairing.recipes(32, 32)[2].crop
    assert isinstance(crop, Crop)
    boxes = crop.boxes(Draws(0, 0, 8).noise(torch.arange(5000), 0), 32, 32)
    area = (boxes[:, 2] * boxes[:, 3]) / 32**2
    assert 0.03 < area.min() < 0.06
    assert 0.13 < area.max() < 0.17


def test_the_second_view_may_have_its_own_recipe() -> None:
    nothing = dict.fromkeys(("crop", "jitter", "grayscale", "blur"))
    pairing = Augmented(
        recipe=Recipe(**nothing, flip=None),  # type: ignore[arg-type]
        second=Recipe(**nothing, flip=Flip(p=1.0)),  # type: ignore[arg-type]
        large=3,
    )
    first, second, third = shown(pairing).views
    assert torch.equal(first, pictures(8) / 255)
    assert torch.equal(second, first.flip(-1))
    assert torch.equal(third, first)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"large": 1}, "pairing.large=2"),
        ({"large": 0, "small": 3}, "pairing.large=2"),
        ({"small": -1}, "pairing.small=0"),
        ({"large": 1, "small": 1, "second": Recipe()}, "pairing.second=None"),
        ({"answering": "small"}, "all or large"),
    ],
)
def test_augmented_says_what_to_write_instead(options: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Augmented(**options)  # type: ignore[arg-type]


def test_all_of_it_can_be_said_on_the_command_line() -> None:
    said = methods.simclr.read(
        [
            "pairing.small=4",
            "pairing.answering=large",
            "pairing.second.solarize=Solarize",
            "pairing.local.crop.size=16",
            "pairing.recipe.blur=None",
            "pairing.recipe.jitter.hue=0",
        ]
    ).pairing
    assert isinstance(said, Augmented)
    assert said.second == Recipe(solarize=Solarize())
    assert said.local == Recipe(crop=Crop(size=16))
    assert (said.large, said.small, said.answering) == (2, 4, "large")
    assert said.recipe == chz.replace(Recipe(), blur=None, jitter=chz.replace(Recipe().jitter, hue=0.0))


@pytest.mark.parametrize("answering", ["all", "large"])
@pytest.mark.parametrize("name", PICTURES)
def test_every_method_trains_on_views_of_two_sizes(name: str, answering: str) -> None:
    experiment = methods.get(name)(
        **{
            "data": Digits(),
            "encoder": ResNet(width=4, stem="cifar"),
            "head.hidden": 16,
            "head.dim": 8,
            "batch": 32,
            "steps": 2,
            "online": False,
            "pairing.small": 2,
            "pairing.answering": answering,
            "pairing.second": Recipe(blur=Blur(p=0.1), solarize=Solarize()),
        }
    )
    trainer = Trainer(experiment, torch.device("cpu"))
    before = [parameter.detach().clone() for parameter in trainer.learned]
    loss, norm = trainer.advance()
    assert loss.total.isfinite()
    assert norm > 0
    assert any(not torch.equal(one, other) for one, other in zip(before, trainer.learned, strict=True))


def test_those_are_all_the_methods_that_augment() -> None:
    found = {name for name, method in methods.known().items() if method.values.get("pairing") is Augmented}
    assert {name for name in found if "-" not in name} == set(PICTURES)
