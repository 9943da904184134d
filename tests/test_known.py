"""Presets of scenes whose latents are known."""

import pytest
import torch

from kontrast import datasets, methods
from kontrast.draws import Draws


def test_the_published_network_is_that_of_the_source() -> None:
    made = methods.cl_ica_3dident()
    model = made.model()
    # torchvision's ResNet-18 with 10 n outputs, a leaky rectifier, and n outputs.
    assert sum(each.numel() for each in model.parameters()) == 11_176_512 + 513 * 100 + 101 * 10
    assert "LeakyReLU(negative_slope=0.01)" in repr(model.student.head)
    assert not made.joint


@pytest.mark.parametrize("units", ["published", "raw"])
def test_sigma_is_in_units_of_raw_latents(units: str) -> None:
    """Source: noise of .1 where latents go from -1 to 1."""
    data = datasets.ThreeDIdent(units=units)  # type: ignore[arg-type]
    made = methods.cl_ica_3dident().pairing
    temperature = made.temperature if units == "published" else 4 * made.temperature
    middle = torch.zeros(4000, 10)
    drawn = made.similarity.sample(middle, temperature, data.latent_space, Draws(0, 0, 4000).generator("partner"))
    half = torch.tensor([factor.high for factor in data.factors])
    torch.testing.assert_close((drawn / half).std(0), torch.full((10,), 0.1), rtol=0.05, atol=0)
