from types import ModuleType

import pytest

from vision import torchvision


@pytest.fixture(scope="session")
def functional() -> ModuleType:
    """torchvision's functions on tensors and Pillow pictures."""
    return torchvision("transforms.v2.functional")
