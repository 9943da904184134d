import chz
import pytest
import torch

from kontrast import methods, parts
from kontrast.augmentations import (
    Augmentation,
    BarlowTwinsFirst,
    BarlowTwinsSecond,
    Blur,
    Brightness,
    BYOLFirst,
    BYOLSecond,
    Clip,
    Crop,
    Flip,
    Grayscale,
    Invert,
    Jitter,
    ProbabilisticSimCLR,
    Recipe,
    SaltPepper,
    SimCLR,
    SimCLRAblations,
    SimCLRCifar,
    SimSiam,
    Solarize,
    SoloLearn,
    SoloLearnImageNet,
    Standardize,
    SwAV,
    SwAVSmall,
)
from kontrast.pairings import Augmented

from vision import noise, pictures

BICUBIC = Crop(scale=(0.08, 1.0), interpolation="bicubic")
TENSORFLOW = chz.replace(BICUBIC, tries=100)
MODERATE = Jitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, p=0.8)
STRONG = Jitter(brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2, p=0.8)
BYOL = Jitter(brightness=0.4, contrast=0.4, saturation=0.2, hue=0.1, p=0.8)


def added(jitter: Jitter) -> Jitter:
    return chz.replace(jitter, lightening="added")


GRAY, FLIP, HALF = Grayscale(p=0.2), Flip(p=0.5), Blur(p=0.5, sigma=(0.1, 2.0))
PUBLISHED: dict[type[Recipe], list[Augmentation]] = {
    SimCLR: [TENSORFLOW, FLIP, added(STRONG), GRAY, HALF],
    SimCLRCifar: [TENSORFLOW, FLIP, added(MODERATE), GRAY],
    ProbabilisticSimCLR: [Crop(scale=(0.08, 1.0)), FLIP, MODERATE, GRAY, Blur(p=1.0, sigma=(0.1, 2.0))],
    SimCLRAblations: [TENSORFLOW, FLIP, added(STRONG), GRAY, Clip(), HALF],
    SoloLearn: [Crop(scale=(0.2, 1.0)), FLIP, MODERATE, GRAY],
    SoloLearnImageNet: [Crop(scale=(0.2, 1.0)), STRONG, GRAY, HALF, FLIP],
    BYOLFirst: [BICUBIC, FLIP, added(BYOL), GRAY, Blur(p=1.0)],
    BYOLSecond: [BICUBIC, FLIP, added(BYOL), GRAY, Blur(p=0.1), Solarize(threshold=0.5, p=0.2)],
    BarlowTwinsFirst: [BICUBIC, FLIP, BYOL, GRAY, Blur(p=1.0)],
    BarlowTwinsSecond: [BICUBIC, FLIP, BYOL, GRAY, Blur(p=0.1), Solarize(threshold=0.5, p=0.2)],
    SimSiam: [Crop(scale=(0.2, 1.0)), MODERATE, GRAY, HALF, FLIP],
    SwAV: [Crop(scale=(0.14, 1.0)), FLIP, STRONG, GRAY, HALF],
    SwAVSmall: [Crop(scale=(0.05, 0.14), size=96), FLIP, STRONG, GRAY, HALF],
    Recipe: [Crop(scale=(0.2, 1.0)), FLIP, MODERATE, GRAY, HALF],
}


@pytest.mark.parametrize("preset", PUBLISHED)
def test_presets_are_the_published_changes_in_the_published_order(preset: type[Recipe]) -> None:
    assert list(preset().steps().values()) == PUBLISHED[preset]


def test_every_preset_is_tested() -> None:
    assert set(PUBLISHED) == set(parts.known(Recipe).values())


@pytest.mark.parametrize("preset", PUBLISHED)
def test_an_option_changes_nothing_else_of_a_preset(preset: type[Recipe]) -> None:
    said = methods.simclr.read([f"pairing.recipe={preset.__name__}", "pairing.recipe.jitter.hue=0"]).pairing
    assert isinstance(said, Augmented)
    jitter = preset().jitter
    assert isinstance(jitter, Jitter)
    assert said.recipe == preset(jitter=chz.replace(jitter, hue=0.0))


@pytest.mark.parametrize("preset", [SimCLR, SimSiam])
def test_a_preset_survives_being_written_down(preset: type[Recipe]) -> None:
    experiment = methods.simclr(**{"pairing.recipe": preset()})
    assert methods.words(experiment) == ["simclr", f"pairing.recipe={preset.__name__}"]


def test_the_ablations_in_their_order() -> None:
    """Crop, flip, jitter, grayscale, brightness, standardize, clip, salt and pepper, invert, blur."""
    words = ["brightness=Brightness", "standardize=Standardize", "salt_pepper=SaltPepper", "invert=Invert"]
    read = methods.simclr.read(
        ["pairing.recipe=SimCLRAblations", *(f"pairing.recipe.{word}" for word in words)]
    ).pairing
    assert isinstance(read, Augmented)
    images = pictures(32)
    expected = images / 255
    off = (Brightness(clip=False), Standardize(clip=False, p=0.5), Clip(), SaltPepper(amount=0.05), Invert(p=0.5))
    for change in (*PUBLISHED[SimCLRAblations][:4], *off, HALF):
        expected = change(expected, noise(32))
    assert torch.equal(read.recipe(images, noise(32)), expected)
