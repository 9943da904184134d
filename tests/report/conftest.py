"""The made-up records importable by name, and those that several tests read."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from kontrast.report import Record

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def sprites_record() -> Record:
    from made_records import sprites

    return sprites()


@pytest.fixture(scope="session")
def classes_record() -> Record:
    from made_records import classification

    return classification()
