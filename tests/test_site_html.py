"""How the site is written as HTML: lines that may be broken and lines that may not; figures; search."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs"))

writer = pytest.importorskip("sitegen.writer")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A page of everything that the writer sees to, as the site has it but without the theme."""
    from sphinx.application import Sphinx

    pages = tmp_path_factory.mktemp("pages")
    (pages / "index.md").write_text(
        "# kontrast.objectives\n\n![what](figure.svg)\n\n[![a link](figure.svg)](https://example.org)\n\n"
        "| here | pos_x | remark |\n|---|---|---|\n"
        "| `--one-two data.names=rot_phi,x_1 rate=0.2` | 0.838 ± 0.005 | Alignment(Cosine) |\n"
        "| `data` | **.8** ± .1 | a sentence of more than forty letters in all |\n\n"
        "In text: `data.names`, e.g. so_so.\n"
    )
    (pages / "figure.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>')
    made = pages.parent / "html"
    quiet = {"html_theme": "basic", "html_static_path": []}
    Sphinx(pages, ROOT / "docs", made, pages.parent / "trees", "html", quiet, status=None, freshenv=True).build()
    return made


def test_commands_in_tables_are_broken_between_words_and_at_dots(built):
    page = (built / "index.html").read_text()
    code = page.partition('<td class="command"><p><code')[2].partition("</code>")[0].partition(">")[2]
    assert code.replace('<span class="pre">', "").replace("</span>", "") == (
        '--one-two <span class="word">data.<wbr>names=<wbr>rot_<wbr>phi,<wbr>x_1 rate=0.2'
    )
    long, short = writer.literal("objective=MeanSquaredError"), writer.literal("--offline-dataset")
    assert "objective=</span><wbr>" in long and "<wbr>" not in short
    assert writer.literal("--non-periodic-rotation-1e-4").count("<wbr>") == 2
    assert '<span class="pre">data.names</span></code>, e.g. so_so.' in page
    assert "Alignment(<wbr>Cosine)" in page and "<p>pos_<wbr>x</p>" in page
    style = (ROOT / "docs" / "static" / "site.css").read_text()
    assert "table.docutils td code .pre" in style and "nth-child(3)" not in style and "last-child" not in style


def test_a_mean_and_its_deviation_stand_in_one_line(built):
    page = (built / "index.html").read_text()
    assert "<p>0.838\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}0.005</p>" in page
    assert "</strong>\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}.1</p>" in page
    assert page.count('<td class="prose">') == page.count('<td class="command">') == 1


def test_headings_are_broken_at_dots_and_figures_are_links_to_themselves(built):
    page = (built / "index.html").read_text()
    assert "<h1>kontrast.<wbr>objectives<" in page and "<title>kontrast.objectives" in page
    assert page.count('<a class="figure" href="_images/figure.svg"') == 1
    assert page.count("<img") == 2


def test_there_is_no_empty_index_and_the_search_prefers_what_says_how(built):
    assert not (built / "genindex.html").exists()
    assert "guides" in (built / "_static" / "language_data.js").read_text()
