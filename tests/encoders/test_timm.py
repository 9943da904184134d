from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from kontrast.encoders import Timm

from vision import torchvision

timm: Any = None


@pytest.fixture(autouse=True)
def _timm() -> None:
    global timm  # noqa: PLW0603
    torchvision("models")  # which timm imports
    timm = pytest.importorskip("timm")


def built(part: Timm, shape: tuple[int, ...], seed: int = 0) -> tuple[nn.Module, int]:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return part.build(shape)


def images(n: int, *shape: int) -> torch.Tensor:
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("model", "shape", "features"),
    [
        ("resnet18", (3, 64, 64), 512),
        ("vit_tiny_patch16_224", (3, 32, 48), 192),
        ("convnext_atto", (1, 64, 64), 320),
        ("mobilenetv3_small_100", (3, 64, 64), 1024),
    ],
)
def test_a_model_is_timms_for_the_pictures_at_hand(model: str, shape: tuple[int, ...], features: int) -> None:
    network, dim = built(Timm(model=model), shape)
    assert network.training
    assert dim == features
    network.eval()
    x = images(2, *shape)
    last = x.contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        feature = network(x)
        assert feature.shape == (2, features)
        theirs = timm.create_model(model, in_chans=shape[0], **({"img_size": shape[1:]} if "vit" in model else {}))
        theirs.load_state_dict(network.state_dict(), strict=False)
        pooled = theirs.eval().forward_head(theirs.forward_features(x), pre_logits=True)
        torch.testing.assert_close(feature, pooled, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(network.to(memory_format=torch.channels_last)(last), feature, atol=1e-4, rtol=1e-4)


def test_its_feature_is_that_of_our_own_resnet() -> None:
    from kontrast.encoders import ResNet

    theirs, _ = built(Timm(), (3, 64, 64))
    ours, _ = ResNet().build((3, 64, 64))
    ours.load_state_dict(theirs.state_dict())
    x = images(2, 3, 64, 64)
    torch.testing.assert_close(ours(x), theirs(x), atol=1e-5, rtol=1e-5)


def test_options_reach_the_model() -> None:
    network, _ = built(Timm(model="vit_tiny_patch16_224", patch_size=8, drop_path=0.2), (3, 32, 32))
    assert network.patch_embed.num_patches == 16  # type: ignore[union-attr]
    assert [module.drop_prob for module in network.modules() if type(module).__name__ == "DropPath"][
        -1
    ] == pytest.approx(0.2)


@pytest.mark.parametrize("model", ["resnet18", "vit_tiny_patch16_224"])
def test_weights_come_from_a_file_and_are_fitted(model: str, tmp_path: Path) -> None:
    whole = timm.create_model(model, img_size=64) if "vit" in model else timm.create_model(model)
    save_file(whole.state_dict(), tmp_path / "model.safetensors")
    part = Timm(model=model, weights=str(tmp_path / "model.safetensors"))
    network, _ = built(part, (3, 64, 64))
    assert all(torch.equal(value, whole.state_dict()[name]) for name, value in network.state_dict().items())
    assert not any(name.startswith(("fc.", "head.")) for name in network.state_dict())
    gray, _ = built(part, (1, 32, 32))
    assert next(p for p in gray.parameters() if p.ndim == 4).shape[1] == 1


def test_normalizing_is_a_part_of_the_network_that_changes_no_name() -> None:
    plain, _ = built(Timm(), (3, 32, 32))
    network, _ = built(Timm(normalize=True), (3, 32, 32))
    assert list(plain.state_dict()) == list(network.state_dict())
    x = images(4, 3, 32, 32)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    standard = (x - mean.view(3, 1, 1)) / std.view(3, 1, 1)
    torch.testing.assert_close(network(x), plain(standard))
    with pytest.raises(ValueError, match=r"encoder\.normalize=False"):
        built(Timm(normalize=True), (1, 32, 32))


@pytest.mark.parametrize(
    ("part", "shape", "said"),
    [
        (Timm(model="resnet19"), (3, 32, 32), "did you mean 'resnet1"),
        (Timm(model="hf-hub:someone/something"), (3, 32, 32), "no timm model named"),
        (Timm(), (10,), "write encoder=Mlp"),
        (Timm(model="vgg11", drop_path=0.1), (3, 32, 32), "drop_path_rate"),
        (Timm(weights="nowhere.safetensors"), (3, 32, 32), "no file nowhere"),
    ],
)
def test_what_cannot_be_built_is_refused(part: Timm, shape: tuple[int, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        built(part, shape)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"patch_size": 0}, "encoder.patch_size=16"),
        ({"drop_path": 1.0}, "encoder.drop_path=0.1"),
        ({"weights": "model.pth"}, "encoder.weights=model.safetensors"),
    ],
)
def test_it_says_what_to_write_instead(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Timm(**options)


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ValueError, match=r"pip install 'kontrast\[timm\]', or write encoder=ResNet"):
        Timm().build((3, 32, 32))


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("operator torchvision::nms does not exist"),
        ModuleNotFoundError("No module named 'torchvision'", name="torchvision"),
        AttributeError("partially initialized module 'torchvision' has no attribute 'extension'"),
    ],
)
def test_a_torchvision_that_does_not_fit_is_named(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    import builtins

    original = builtins.__import__

    def failing(name: str, *given: Any, **options: Any) -> Any:
        if name == "timm":
            raise error
        return original(name, *given, **options)

    monkeypatch.setattr(builtins, "__import__", failing)
    with pytest.raises(ValueError, match=r"torchvision that it uses does not fit torch \d") as found:
        Timm().build((3, 32, 32))
    assert "pip install" not in str(found.value)
