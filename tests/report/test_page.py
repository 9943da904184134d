"""The page: what it says, and that it is one file that fetches nothing."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from html.parser import HTMLParser

import numpy as np
import pytest
from made_records import classification, sprites

from kontrast.panels import Bars
from kontrast.report import Record, answer, colors, write_page
from kontrast.report.inline import inline
from kontrast.report.record import flat
from kontrast.scores import Score

EMPTY = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta"}


class Page(HTMLParser):
    """Every start tag with its attributes, and the text; fails where tags do not close in order."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.open = [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="module", params=[sprites, classification])
def written(request, tmp_path_factory):
    record, folder = request.param(), tmp_path_factory.mktemp("run")
    write_page(Record("imports first", "", {}, {}), folder)
    start = time.process_time()
    path = write_page(record, folder)
    seconds = time.process_time() - start
    return record, path, Page(path.read_text()), seconds


def test_it_is_quick(written):
    assert written[3] < 5


def test_it_says_everything_that_the_record_says(written):
    record, _, page, _ = written
    text = re.sub(r"\s+", " ", " ".join(page.text)).replace("\u2212", "-")
    assert record.title in text
    assert answer(record) in text
    assert record.command in text
    for value in (*flat(record.experiment).values(), *flat(record.environment).values()):
        assert value in text
    for row in record.scores:
        assert row.protocol in text
        assert f"{row.value:.2f}"[:-1] in text


def test_it_fetches_and_runs_nothing(written):
    page = written[2]
    assert not {tag for tag, _ in page.tags} & {
        "script",
        "iframe",
        "object",
        "embed",
        "link",
        "form",
        "base",
        "foreignobject",
    }
    for tag, attrs in page.tags:
        assert not [name for name in attrs if name.startswith("on") or name in ("style", "srcset", "action")]
        for name in ("src", "href", "xlink:href"):
            if name in attrs:
                assert attrs[name].startswith(("#", "data:image/png;base64,")), (tag, name, attrs[name][:40])


def test_its_policy_allows_its_own_style_and_pictures_only(written):
    _, path, page, _ = written
    policy = page.all("meta")[1]["content"]
    sheet = re.search(r"<style>(.*?)</style>", path.read_text(), re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()
    assert (
        policy == f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    assert "url(" not in sheet
    assert "@import" not in sheet


def test_everything_shown_is_also_said(written):
    page = written[2]
    assert all(attrs["alt"] for attrs in page.all("img"))
    assert all(attrs["aria-label"] for attrs in page.all("svg"))
    assert all(attrs.get("scope") for attrs in page.all("th"))
    targets = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(targets) == len(set(targets))
    links = [attrs[k][1:] for _, attrs in page.tags for k in ("href",) if attrs.get(k, "").startswith("#")]
    links += [attrs["clip-path"][5:-1] for _, attrs in page.tags if "clip-path" in attrs]
    assert set(links) <= set(targets)


def test_figures_lie_beside_it(written):
    _, path, page, _ = written
    names = sorted(p.name for p in (path.parent / "figures").iterdir())
    assert {"pairs.png", "neighbors.png"} < set(names)
    charts = [name.removesuffix(".svg") for name in names if name.endswith(".svg")]
    assert len(charts) == len(page.all("svg"))
    assert {f"{name}.png" for name in charts} < set(names)


def test_the_same_record_gives_the_same_page(tmp_path):
    one, two = (write_page(classification(), tmp_path / name) for name in "ab")
    assert one.read_bytes() == two.read_bytes()
    for path in (tmp_path / "a" / "figures").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / "figures" / path.name).read_bytes()


def test_colors_of_the_theme_are_in_the_style_sheet(written):
    text = written[1].read_text()
    for name in colors.THEME.values():
        assert f".fill-{name} {{ fill: var(--" in text
        assert f".stroke-{name} {{ stroke: var(--" in text
    assert not re.findall(r'(?:fill|stroke)="#0{6}"', text)


def test_a_record_of_almost_nothing(tmp_path):
    text = write_page(Record("Nothing yet", "kontrast train simclr", {}, {}), tmp_path).read_text()
    Page(text)
    assert "not probed yet" in text
    assert "no pairs are drawn" in text


def test_panels_are_grouped_by_probe_with_their_notes(written):
    record, path, page, _ = written
    text = path.read_text()
    assert ("Looking inside" in text) == bool(record.panels)
    for probe, panel in record.panels:
        assert text.count(f"<h3>{probe}</h3>") == 1
        assert panel.title in " ".join(page.text)
        assert panel.note in " ".join(page.text)
    names = [found.name for found in (path.parent / "figures").glob("panel-*.svg")]
    assert len(names) == len(record.panels)


def test_panels_beyond_a_hundred_are_counted(tmp_path):
    many = [("Many", Bars(f"bars {at}", ("a",), (0.5,))) for at in range(103)]
    text = write_page(Record("t", "c", {}, {}, panels=many), tmp_path).read_text()
    assert "The last 3 are left out." in text
    assert "bars 99" in text
    assert "bars 100" not in text


def test_values_of_many_things_are_folded_below_the_table(tmp_path):
    rows = [Score("Linear", "accuracy", 0.5)] + [Score("Linear", f"accuracy/{i}", i / 40, low=0.1) for i in range(40)]
    text = write_page(Record("t", "c", {}, {}, scores=rows), tmp_path).read_text()
    page = Page(text)
    assert len(page.all("details")) == 1
    assert "accuracy of 40: 0.000 (0) to 0.975 (39), median 0.500" in " ".join(page.text)
    assert text.index("</details>") > text.index("</table>")


def test_vectors(tmp_path):
    z = np.random.default_rng(0).normal(size=(50, 4))
    record = Record("Vectors", "kontrast train inversion", {}, {}, embedding=z, pictures=z, pairs=(z, z + 0.1))
    assert "drawn as strips" in write_page(record, tmp_path).read_text()


def test_it_never_writes_through_a_link(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "figures").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="remove it"):
        write_page(classification(), tmp_path / "run")
    assert not list((tmp_path / "elsewhere").iterdir())


def test_only_shapes_and_text_of_a_drawing_are_kept():
    evil = """<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" onload="pwned()">
      <script>pwned()</script><style>@import url(http://x)</style><foreignObject><p>x</p></foreignObject>
      <a xlink:href="javascript:pwned()"><text>gone</text></a><animate attributeName="href"/>
      <use xlink:href="http://x#a"/><use xlink:href="#a" onclick="pwned()"/>
      <path id="a" d="M 0.123456 1 L 2 &quot;3" onclick="pwned()"/>
      <image xlink:href="http://x/y.png"/><image xlink:href="data:image/svg+xml;base64,AAAA"/>
      <g clip-path="url(http://x)" style="fill: url(http://x); stroke: #2458d3; background: url(x); opacity: 0.5"/>
      <text style="fill: #17191c">1 &lt; 2 &amp; &lt;script&gt;</text></svg>"""
    text = inline(evil, "one", '"><script>')
    page = Page(text)
    assert {tag for tag, _ in page.tags} == {"svg", "use", "path", "image", "g", "text"}
    assert "http" not in text
    assert "pwned" not in text
    assert "javascript" not in text
    assert page.all("use") == [{}, {"href": "#one-a"}]
    assert page.all("path") == [{"d": "M 0.12 1 L 2 3", "id": "one-a"}]
    assert page.all("image") == [{}, {}]
    assert page.all("g") == [{"opacity": "0.5", "class": "stroke-trained"}]
    assert "".join(page.text).strip() == "1 < 2 & <script>"
