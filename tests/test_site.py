"""What a program writes of the site: catalog, Python interface, docstrings as Markdown, and links."""

import inspect
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import chz
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs"))

from sitegen import catalog, names, outline, prose, reference, stage  # noqa: E402

from kontrast import methods  # noqa: E402
from kontrast.cli.catalog import FAMILIES  # noqa: E402
from kontrast.methods.published import SETTINGS  # noqa: E402
from kontrast.questions import asked  # noqa: E402

PARTS = [(family, name, cls) for family, kind in FAMILIES.items() for name, cls in names.shipped(kind).items()]


class Shown(HTMLParser):
    """What a reader sees of HTML, and the elements that it is made of."""

    def __init__(self, text):
        super().__init__()
        self.text, self.tags = "", set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)

    def handle_data(self, data):
        self.text += data


def shown(markdown):
    return Shown(MarkdownIt("commonmark").enable("table").render(markdown))


@pytest.fixture(scope="module")
def written():
    return catalog.pages()


def test_the_catalog_has_every_part_with_every_field(written):
    assert len(PARTS) > 150
    for family, name, cls in PARTS:
        _, _, own = written[family].partition(f"(part-{family}-{name})=\n## {name}\n")
        own = own.partition("\n## ")[0]
        rows = [line for line in own.splitlines() if line.startswith("| `")]
        assert len(rows) == len(chz.chz_fields(cls)), name
        for row, (field, told) in zip(rows, chz.chz_fields(cls).items(), strict=True):
            assert row.startswith(f"| `{catalog.where(cls)}.{field}` |"), row
            assert len(re.split(r"(?<!\\)\|", row)) == 6
            assert row.endswith(prose.row(prose.inline(str(told._doc), names.link))[1:])
            assert "MISSING" not in row
        for number in re.findall(r"arXiv[: ]\s*(\d{4}\.\d{4,5})", inspect.getdoc(cls)):
            assert f"](https://arxiv.org/abs/{number})" in own


def test_the_catalog_has_every_method_and_setting(written):
    for name in methods.known():
        assert f"\n## {name}\n" in written["methods"]
    for name in SETTINGS:
        assert f"\n## {name}\n" in written["settings"]
        assert f"(#setting-{name})" in written["methods"]
    assert "objective.temperature=0.5" in written["settings"].partition("## simclr-cifar10\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize(
    ("family", "name", "path"),
    [
        ("objectives", "InfoNCE", "objective"),
        ("similarities", "Lp", "objective.similarity"),
        ("marginals", "Around", "data.marginal"),
        ("augmentations", "Blur", "pairing.recipe.blur"),
        ("measures", "BALD", "uncertainty.bald"),
        ("probes", "Linear", "linear"),
    ],
)
def test_a_part_is_written_where_it_is_held(family, name, path):
    assert catalog.where(names.shipped(FAMILIES[family])[name]) == path


def test_what_is_asked_by_name_is_understood():
    for family, name, cls in PARTS:
        if family in ("probes", "tunings", "comparisons"):
            asked([catalog.where(cls)], {}, None)
        if family == "measures":
            asked(["uncertainty"], {catalog.where(cls): name}, None)


def test_defaults_and_types_read_as_they_are_written():
    page = catalog.family_page("objectives")
    row = next(line for line in page.splitlines() if line.startswith("| `objective.candidates`"))
    assert row == (
        "| `objective.candidates` | `both`, `cross`, `anchors` | `both` | answers and other anchors, answers alone, or "
        "other anchors alone |"
    )
    row = next(line for line in page.splitlines() if line.startswith("| `objective.similarity`"))
    assert "[`Similarity`](#family-similarities) | [`" in row


def test_the_interface_has_every_public_thing_with_its_docstring_once():
    pages = reference.pages()
    labels = [label for page in pages.values() for label in re.findall(r"^\(([^)]+)\)=$", page, re.MULTILINE)]
    assert len({label.lower() for label in labels}) == len(labels) == len(names.documented())
    assert len(labels) > 400
    assert {"class-kontrast.objectives-InfoNCE", "def-kontrast.directional-resultant"} <= set(labels)
    assert {"class-kontrast.run-Run", "def-kontrast.training-train"} <= set(labels)
    for public in names.documented().values():
        assert public.doc, f"{public.module}.{public.name} says nothing of itself"


def test_signatures_are_those_of_the_source():
    def short(rows, *, kind: type = int, of=len, **more) -> list[int]:
        """Does nothing."""

    def long(rows: list[int], *rest: int, names: tuple[str, ...] = ("one",), wanted: object = object()) -> None:
        """Does nothing."""

    assert reference._signed("short", short) == "short(rows, *, kind: type = int, of=len, **more) -> list[int]"
    assert reference._signed("long", long).splitlines() == [
        "long(",
        "    rows: list[int],",
        "    *rest: int,",
        "    names: tuple[str, ...] = ('one',),",
        "    wanted: object = ...,",
        ") -> None",
    ]


def test_a_module_without_a_place_is_an_error(monkeypatch):
    monkeypatch.setitem(names.GROUPS, "Underneath", "parts")
    with pytest.raises(ValueError, match=r"kontrast[.]blueprints, kontrast[.]files, "):
        names.modules()


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters="`")))
def test_plain_text_is_shown_as_it_is(text):
    found = shown(prose.inline(text))
    assert " ".join(found.text.split()) == " ".join(text.split())
    assert found.tags <= {"p", "a"}


@pytest.mark.parametrize(
    "text", ["- a", "1. b", "# c", "> d", "% e", "+++", "(f)=", "a_b_ *c* <x> {role}`", "| a | b |"]
)
def test_no_sign_is_taken_for_markup(text):
    found = shown(prose.inline(text.replace("`", "")))
    assert found.tags == {"p"} and found.text.strip() == text.replace("`", "")


def test_equations_lists_and_doctests_keep_their_form():
    text = prose.markdown(
        """What it is, of `x_i`:

            L = sum_{i < j} x*y*z

              with more

        - one `a|b`
          goes on
        - two

        >>> 1 + 1
        2
        """
    )
    assert "```text\nL = sum_{i < j} x*y*z\n\n  with more\n```" in text
    assert "- one `a|b` goes on\n- two" in text
    assert "```pycon\n>>> 1 + 1\n2\n```" in text


def test_all_docstrings_are_shown_word_for_word():
    for public in names.documented().values():
        found = shown(prose.markdown(public.doc, names.link))
        plain = re.sub(r"`|^- ", "", inspect.cleandoc(public.doc).replace("arXiv:", "arXiv "), flags=re.MULTILINE)
        assert "".join(found.text.replace("`", "").split()) == "".join(plain.split()), public
        assert found.tags <= {"p", "a", "code", "pre", "ul", "li"}, public


def test_links_out_of_the_folder_lead_to_what_the_site_has():
    page = Path("guides/x.md")
    assert stage.sourced("[a](../../CONTRIBUTING.md#rules) [b](../probes.md)", page) == (
        "[a](../contributing.md#rules) [b](../probes.md)"
    )
    assert stage.sourced("[a](../README.md)", Path("x.md")) == "[a](index.md)"
    with pytest.raises(ValueError, match=r"there is no nowhere\.html"):
        stage.sourced("[a](nowhere.html)", page)


def test_a_finished_page_is_linked_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "DOCS", tmp_path)
    (tmp_path / "report.html").touch()
    assert stage.sourced("[a](report.html)", Path("x.md")) == '<a href="report.html">a</a>'


def test_every_page_of_the_folder_is_in_the_outline():
    there = {str(path.relative_to(stage.DOCS).with_suffix("")) for path in stage.DOCS.rglob("*.md")}
    listed = {page for pages in outline.OUTLINE.values() for page in pages.split()}
    free = {page for page in there if page.startswith(("studies/", "sources/"))} | {"index"}
    assert there - free == listed - {"contributing", "changelog", "sources/index"}


def test_anchors_of_the_readme_are_there():
    for target, anchor in re.findall(r"\]\(([\w/.-]+\.md)#([\w-]+)\)", (ROOT / "README.md").read_text()):
        titles = re.findall(r"^#+ (.+)$", (ROOT / target).read_text(), re.MULTILINE)
        assert anchor in [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles], (
            target,
            anchor,
        )
