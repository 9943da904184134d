"""The pages of studies in the docs say what their tables say."""

import csv
import re
from pathlib import Path

import pytest

from kontrast.studies.library import known

FOLDER = Path(__file__).parents[1] / "docs" / "studies"
PAGES = sorted(FOLDER.glob("*.md"))


def test_every_study_that_comes_along_has_a_page():
    assert {page.stem for page in PAGES} == set(known())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_numbers_of_a_page_are_those_of_its_table(page):
    rows = csv.DictReader((FOLDER / page.stem / "table.csv").read_text().splitlines())
    there = {f"{float(row['mean']):.3f} ± {float(row['deviation']):.3f}" for row in rows if row["deviation"]}
    said = re.findall(r"-?\d\.\d{3} ± \d\.\d{3}", page.read_text())
    assert len(said) >= 6
    assert [each for each in said if each not in there] == []
    assert "not run" not in page.read_text().replace("<!-- not run", "").replace("was not run", "")
    for figure in re.findall(r"\]\((\S+\.svg)\)", page.read_text()):
        assert (FOLDER / figure).is_file()
