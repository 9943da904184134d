import chz
import pytest
import torch

from kontrast import parts
from kontrast.augmentations import (
    Augmentation,
    Blur,
    Brightness,
    Clip,
    Crop,
    Equalize,
    Flip,
    Grayscale,
    Invert,
    Jitter,
    Recipe,
    SaltPepper,
    Solarize,
    Standardize,
    alone,
)
from kontrast.augmentations.recipe import SLOTS as EVERY
from kontrast.draws import Noise

from vision import noise, pictures

SLOTS: dict[str, type[Augmentation]] = {
    "crop": Crop,
    "flip": Flip,
    "jitter": Jitter,
    "grayscale": Grayscale,
    "blur": Blur,
}
NONE = dict.fromkeys(SLOTS)


@chz.chz
class Holder:
    recipe: Recipe = parts.field(Recipe, Recipe, doc="a recipe inside another part")


def read(*arguments: str) -> Recipe:
    return chz.Blueprint(Holder).make_from_argv(list(arguments)).recipe


@pytest.mark.parametrize("channels", [1, 3])
def test_the_recipe_is_its_changes_in_order(channels: int) -> None:
    images = pictures(16, channels)
    expected = images / 255
    for part in SLOTS.values():
        expected = part()(expected, noise(16))
    assert torch.equal(Recipe()(images, noise(16)), expected)


@pytest.mark.parametrize("off", SLOTS)
def test_switching_off_one_change_changes_no_other_draw(off: str) -> None:
    images = pictures(16)
    expected = images / 255
    for name, part in SLOTS.items():
        if name != off:
            expected = part()(expected, noise(16))
    without = Recipe(**{off: None})  # type: ignore[arg-type]
    assert torch.equal(without(images, noise(16)), expected)
    assert not torch.equal(Recipe()(images, noise(16)), expected)


@pytest.mark.parametrize("slot", SLOTS)
def test_command_line_switches_off_and_changes_each(slot: str) -> None:
    assert read() == Recipe()
    assert read(f"recipe.{slot}=None") == Recipe(**{slot: None})  # type: ignore[arg-type]
    assert read(f"recipe.{slot}=Flip", f"recipe.{slot}.p=0.25") == Recipe(**{slot: Flip(p=0.25)})  # type: ignore[arg-type]


def test_command_line_reaches_options() -> None:
    recipe = read("recipe.crop.scale=0.08,1", "recipe.crop.size=16", "recipe.jitter.hue=0.2", "recipe.blur.p=1")
    assert recipe == Recipe(crop=Crop(scale=(0.08, 1.0), size=16), jitter=Jitter(hue=0.2), blur=Blur(p=1.0))


def test_an_unknown_change_is_named() -> None:
    with pytest.raises(Exception, match="did you mean 'Grayscale'"):
        read("recipe.crop=grayscale")


def test_bytes_and_floats_are_the_same_picture() -> None:
    images = pictures(8)
    assert torch.equal(Recipe()(images, noise(8)), Recipe()(images / 255, noise(8)))
    assert torch.equal(Recipe(**NONE)(images, noise(8)), images / 255)
    half = Recipe()(images.half() / 255, noise(8))
    assert half.dtype == torch.float32


def test_each_picture_has_its_own_draw() -> None:
    images = pictures(1).expand(64, 3, 32, 32)
    views = Recipe()(images, noise(64))
    assert len(views.flatten(1).unique(dim=0)) == 64
    chosen = torch.tensor([5, 60, 3, 3])
    again = Recipe()(images[chosen], Noise(noise(64).key[chosen]))
    torch.testing.assert_close(again, views[chosen], atol=1e-6, rtol=0)


def test_lower_precision_outside_does_not_reach_the_pictures() -> None:
    images = pictures(8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        views = Recipe()(images, noise(8))
    assert torch.equal(views, Recipe()(images, noise(8)))


def test_views_are_what_they_always_were() -> None:
    ramp = torch.arange(3 * 32 * 32, dtype=torch.float32).view(1, 3, 32, 32).expand(4, 3, 32, 32) / (3 * 32 * 32)
    views = Recipe()(ramp, noise(4))
    golden = torch.tensor([[0.53239, 0.28313], [0.54944, 0.31499], [0.61849, 0.19617], [0.58972, 0.34465]])
    ours = torch.stack([views.mean((1, 2, 3)), views.std((1, 2, 3))], 1)
    torch.testing.assert_close(ours, golden, atol=1e-4, rtol=0)


@pytest.mark.parametrize("slot", EVERY)
def test_every_slot_is_switched_on_and_off_from_the_command_line(slot: str) -> None:
    name = EVERY[slot].__name__
    assert read(f"recipe.{slot}={name}") == Recipe(**{slot: EVERY[slot]()})  # type: ignore[arg-type]
    assert getattr(read(f"recipe.{slot}={name}", f"recipe.{slot}=None"), slot) is None
    if "p" in chz.chz_fields(EVERY[slot]):
        assert getattr(read(f"recipe.{slot}.p=0.125"), slot) == EVERY[slot](p=0.125)  # type: ignore[call-arg]


def test_order_is_data() -> None:
    images = pictures(16)
    order = ("blur", "grayscale", "invert", "jitter", "flip", "crop")
    recipe = read(f"recipe.order={','.join(order)}", "recipe.invert=Invert")
    expected = images / 255
    for name in order:
        expected = getattr(recipe, name)(expected, noise(16))
    assert torch.equal(recipe(images, noise(16)), expected)
    assert not torch.equal(Recipe(invert=Invert())(images, noise(16)), expected)


def test_unusual_changes_have_their_places() -> None:
    changed = {
        "brightness": Brightness(clip=False),
        "standardize": Standardize(clip=False),
        "clip": Clip(),
        "salt_pepper": SaltPepper(),
        "invert": Invert(),
        "solarize": Solarize(),
        "equalize": Equalize(),
    }
    images = pictures(16)
    expected = Recipe(blur=None)(images, noise(16))
    for name in ("brightness", "standardize", "clip", "salt_pepper", "invert", "blur", "solarize", "equalize"):
        expected = changed.get(name, Blur())(expected, noise(16))
    assert torch.equal(Recipe(**changed)(images, noise(16)), expected)  # type: ignore[arg-type]


def test_two_changes_of_one_class_are_not_alike() -> None:
    images = pictures(400, 1, 2, 3)
    twice = Recipe(**{**NONE, "flip": Flip(), "jitter": Flip(), "blur": Flip()})  # type: ignore[arg-type]
    mirrored = (twice(images, noise(400)) == (images / 255).flip(-1)).flatten(1).all(1)
    assert abs(mirrored.float().mean() - 0.5) < 4 * (0.25 / 400) ** 0.5
    parts = [Recipe(**{**NONE, name: Flip()})(images, noise(400)) for name in ("flip", "jitter", "blur")]  # type: ignore[arg-type]
    for i in range(3):
        assert all(not torch.equal(parts[i], parts[j]) for j in range(i))


def test_each_change_alone_is_that_of_the_recipe() -> None:
    images = pictures(8)
    recipe = Recipe(blur=None, solarize=Flip(), order=("jitter", "solarize", "crop", "flip", "grayscale"))
    found = alone(recipe)
    assert list(found) == ["jitter", "solarize", "crop", "flip", "grayscale"]
    assert torch.equal(found["jitter"](images, noise(8)), Jitter()(images / 255, noise(8)))
    whole = images / 255
    for each in found.values():
        whole = each(whole, noise(8))
    assert torch.equal(whole, recipe(images, noise(8)))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"order": ("crop", "flipp")}, "did you mean 'flip'"),
        ({"order": (*EVERY, "crop")}, "crop more than once"),
        ({"order": ("crop", "flip", "jitter", "grayscale")}, "blur=None"),
        ({"rotation": Flip(), "order": ("crop", "flip", "jitter", "grayscale", "blur")}, "rotation=None"),
    ],
)
def test_a_recipe_says_what_to_write_instead(options: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Recipe(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(5, 10), (5, 2, 8, 8), (3, 8, 8)])
def test_other_observations_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="1 or 3 channels"):
        Recipe()(torch.zeros(shape), noise(5))
