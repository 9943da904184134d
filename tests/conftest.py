"""One torch thread and one cache folder for each test worker, no deadlines, and the tests' own modules by name."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
torch.set_num_threads(1)
hypothesis.settings.register_profile("shared", deadline=None, print_blob=True)
hypothesis.settings.load_profile("shared")


@pytest.fixture(scope="session", autouse=True)
def _plain_terminal() -> Iterator[None]:
    """What a user or a service asks of terminals is not what tests read."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("FORCE_COLOR", "CLICOLOR_FORCE", "NO_COLOR", "TTY_COMPATIBLE", "COLUMNS"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session", autouse=True)
def _cache() -> Iterator[None]:
    """What a test worker downloads, converts or makes is its own, made once, and gone when it ends."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("KONTRAST_DATA", str(Path(folder, "kontrast")))
        yield
