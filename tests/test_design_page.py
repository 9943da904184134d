"""The table of methods in the design: every command of it can be made as it is written."""

import re
from pathlib import Path

import pytest

from kontrast import methods

PAGE = Path(__file__).parents[1] / "docs" / "design.md"
ROWS = [row for row in PAGE.read_text(encoding="utf-8").splitlines() if row.startswith("| ") and row.count("|") == 7]
COMMANDS = [words for row in ROWS for words in re.findall(r"`([^`]+)`", row.split("|")[6]) if "runs/" not in words]


def test_the_table_is_there():
    assert len(COMMANDS) > 20


@pytest.mark.parametrize("words", [words for words in COMMANDS if "..." not in words.split()])
def test_a_command_of_the_table_can_be_made(words):
    if words.startswith("kontrast"):
        return
    method, *fields = words.split()
    methods.get(method).read(fields)
