import shutil
from collections import Counter

import pytest
import torch
from torch import Tensor

from kontrast.augmentations import Blur, Crop, Flip, Grayscale, Jitter, Recipe, compiled, shares
from kontrast.augmentations.shares import Share, drawn, in_shares
from kontrast.draws import Noise

from vision import noise, pictures

QUIET = pytest.mark.filterwarnings("ignore::DeprecationWarning")
COMPILER = pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")


def test_without_a_compiler_one_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ValueError, match="no-such-compiler"), compiled():
        pass


@QUIET
@COMPILER
@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3])
def test_compiled_recipes_differ_by_rounding(channels: int) -> None:
    recipe = Recipe(crop=Crop(scale=(0.08, 1.0), size=24), blur=Blur(kernel=0.3))
    for count, side in ((40, 32), (7, 28), (1, 40)):
        images = pictures(count, channels, side, side - 3)
        expected = recipe(images, noise(count))
        with compiled():
            ours = recipe(images, noise(count))
        torch.testing.assert_close(ours, expected, atol=1e-5, rtol=0)
        assert torch.equal(recipe(images, noise(count)), expected)


@QUIET
@COMPILER
@pytest.mark.slow
def test_other_batches_do_not_compile_anew() -> None:
    torch._dynamo.reset()
    counters: Counter[str] = torch._dynamo.utils.counters["stats"]
    with compiled():
        for count, side in ((12, 20), (30, 24)):
            Recipe()(pictures(count, 3, side, side), noise(count))
        before = counters["unique_graphs"]
        assert before > 0
        for count, side in ((17, 24), (64, 24), (25, 36), (9, 52), (33, 64)):
            Recipe()(pictures(count, 3, side, side), noise(count))
    assert counters["unique_graphs"] == before


@pytest.mark.parametrize("channels", [1, 3])
def test_shares_change_no_view(channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    images = pictures(50, channels, 32, 30)
    expected = Recipe(grayscale=Flip())(images, noise(50))
    monkeypatch.setattr(shares, "BYTES", 7 * 4 * images[0].numel())
    torch.testing.assert_close(Recipe(grayscale=Flip())(images, noise(50)), expected, atol=1e-6, rtol=0)


def test_draws_are_made_once_for_all_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    images, seen, made = torch.rand(23, 2, 4, 4), [], []
    monkeypatch.setattr(shares, "BYTES", 5 * 4 * 32)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)

    def draw(noise: Noise, factor: float) -> tuple[Tensor, Tensor]:
        made.append(len(noise.key))
        return noise.uniform("one", 3) * factor, noise.normal("two")

    def change(images: Tensor, noise: Noise) -> Tensor:
        seen.append(len(images))
        one, two = drawn(noise, draw, 2.0)
        alone = noise.uniform("one", 3) * 2
        assert torch.equal(one, alone) and torch.equal(two, noise.normal("two"))
        own = noise.of("other")
        assert torch.equal(own.uniform("one"), Noise(own.key).uniform("one"))
        return images + two[:, :, None, None]

    ours = in_shares(change, images, noise(23))
    assert made == [23]
    assert sum(seen) == 23 and max(seen) <= 5 and max(seen) - min(seen) <= 1
    assert torch.equal(ours, images + noise(23).normal("two")[:, :, None, None])


def test_no_pictures_are_no_views() -> None:
    assert Recipe()(pictures(0), noise(0)).shape == (0, 3, 32, 32)


def test_a_share_knows_its_rows() -> None:
    whole = noise(10)
    share = Share(whole.key[3:7], whole, slice(3, 7))
    assert torch.equal(share.uniform("x", 2), whole.uniform("x", 2)[3:7])
    assert torch.equal(drawn(share, Crop().boxes, 20, 20), Crop().boxes(whole, 20, 20)[3:7])
    for part in (Jitter(), Grayscale(), Blur(), Flip()):
        images = pictures(10) / 255
        torch.testing.assert_close(part(images[3:7], share), part(images, whole)[3:7], atol=1e-6, rtol=0)
