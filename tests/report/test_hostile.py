"""Names that attack: on a page in a real browser they are text and nothing else."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from made_records import Factor

from kontrast.panels import Bars, Curves, Heat, Line, Panel, Points
from kontrast.report import Record, write_page
from kontrast.scores import Score

CHROMIUM = Path("/usr/bin/chromium")
RUN = "window.pwned=1;alert(1)"
PAYLOADS = (
    f"<script>{RUN}</script>",
    f"</script><script>{RUN}</script>",
    f"</title><script>{RUN}</script>",
    f"</style><script>{RUN}</script>",
    f"</textarea><script>{RUN}</script>",
    f"</svg><script>{RUN}</script>",
    f"</text></g></svg><img src=x onerror={RUN}>",
    f"<<script>{RUN}//<</script>",
    f"<ScRiPt\x00>{RUN}</sCrIpT>",
    f'"><svg onload={RUN}>',
    f"'><svg onload={RUN}>",
    f'" onmouseover="{RUN}" x="',
    f"' onfocus='{RUN}' autofocus tabindex=1 x='",
    f"` onclick=`{RUN}",
    f"<img src=x onerror={RUN}>",
    '<img src="https://example.invalid/canary.png">',
    '<link rel=stylesheet href="https://example.invalid/canary.css">',
    '<meta http-equiv=refresh content="0;url=https://example.invalid/canary">',
    '<base href="https://example.invalid/">',
    f"<iframe srcdoc='<script>parent.{RUN}</script>'></iframe>",
    f'<iframe src="javascript:parent.{RUN}"></iframe>',
    f"<svg><script>{RUN}</script></svg>",
    f"<svg><animate onbegin={RUN} attributeName=x dur=1s>",
    f"<math><mtext><style><img src=x onerror={RUN}></style></mtext></math>",
    f"<details open ontoggle={RUN}>",
    f"<body onload={RUN}>",
    f"<form action=javascript:{RUN}><button autofocus>go</button></form>",
    f"javascript:{RUN}",
    f"data:text/html,<script>{RUN}</script>",
    f"--><script>{RUN}</script><!--",
    f"--!><script>{RUN}</script>",
    f"]]><script>{RUN}</script><![CDATA[",
    f"\u2028{RUN}\u2029",
    "{{7*7}}{% for x in ().__class__.__base__.__subclasses__() %}{{x}}{% endfor %}",
    "${7*7}#{7*7}<%= 7*7 %>",
    f"&lt;script&gt;{RUN}&lt;/script&gt;&#60;script&#62;",
    f"\x1b[31m\x1b]8;;javascript:{RUN}\x07link\x1b]8;;\x07",
    f"\u202e>tpircs/<1=denwp>tpircs<\u202c{RUN}",
    f"\uff1cscript\uff1e{RUN}\uff1c/script\uff1e\ufeff",
    "*{background:url(https://example.invalid/canary)}</style>",
)


def harmless(text: str) -> str:
    """Letters of no meaning, equal where the text's are, with the dots and slashes that structure names."""
    return "".join(letter if letter in "./" else chr(0x4E00 + ord(letter) % 20000) for letter in text)


def panels(names: list[str]) -> list[tuple[str, Panel]]:
    """Names in every text that a panel has."""
    one, two, three = (*names, *names)[:3]
    matrix = tuple((0.5,) * len(names) for _ in names)
    line = tuple(Line(x, (0, 1), (1, 2), (0, 1), (2, 3)) for x in names)
    return [
        (one, Heat(two, tuple(names), tuple(names), matrix, matrix, matrix, 0, one, two, three)),
        (two, Curves(three, one, two, line, note=three)),
        (three, Points(one, (0, 1, 2), (1, 2, 3), (0, 1, 2), (one, two, three), two, three)),
        (two, Bars(one, tuple(names), (0.1,) * len(names), references=dict.fromkeys(names, 0.5), y=two, note=three)),
    ]


def record(names: list[str], everything: list[str]) -> Record:
    """Names in every place that a name can come to; and all of the names where there is room for them."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % len(names)
    shown: dict = {"latents": rng.random((60, 4)), "factors": tuple(Factor(x, "continuous", 0, 1) for x in names[:4])}
    if len(names) > 8:
        shown = {"labels": labels, "classes": tuple(names)}
    return Record(
        title=names[0] + names[1],
        command=" ".join(everything),
        experiment={x: x for x in everything} | {"objective": {x: x for x in everything}},
        environment={x: x for x in everything},
        metrics=[{"step": i, "loss": 1.0} | dict.fromkeys(names, 0.5 * i) for i in range(3)],
        scores=[Score(x, f"r2/{x}", 0.5, 0.1, protocol=x, warning=x) for x in everything]
        + [Score(x, f"{x}/{y}", 0.5, low=0.4, high=0.6, warning=y) for x in names for y in names],
        panels=panels(names),
        embedding=rng.normal(size=(60, 3)),
        pictures=rng.integers(0, 255, (40, 4, 4), dtype=np.uint8),
        pairs=(np.zeros((2, 4, 4), np.uint8), np.zeros((2, 4, 4), np.uint8)),
        **shown,
    )


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM.exists():
        pytest.skip("there is no Chromium here")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as running:
        found = running.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"])
        yield found
        found.close()


OUTLINE = """() => [...document.querySelectorAll('*')].filter(e => !e.closest('svg')).map(
    e => e.tagName + ' ' + [...e.attributes].map(a => a.name).sort().join(' '))"""
DRAWN = """() => [...document.querySelectorAll('svg, svg *')].map(
    e => [e.tagName, [...e.attributes].map(a => a.name)])"""


def visit(browser, path: Path, bypass_csp: bool) -> dict:
    """Open a page, touch everything in it, and report what happened and what it is made of."""
    context = browser.new_context(bypass_csp=bypass_csp)
    page, seen = context.new_page(), {"dialogs": 0, "requests": [], "failed": [], "complaints": []}

    def dialog(found):
        seen["dialogs"] += 1
        found.dismiss()

    page.on("dialog", dialog)
    page.on("console", lambda message: seen["complaints"].append(message.text))
    page.on("pageerror", lambda error: seen["complaints"].append(str(error)))
    context.on("requestfailed", lambda request: seen["failed"].append((request.url, request.failure)))
    context.on("request", lambda request: seen["requests"].append(request.url))
    page.goto(path.as_uri())
    for event in ("mouseover", "click", "focus", "toggle"):
        page.evaluate("e => document.querySelectorAll('*').forEach(x => x.dispatchEvent(new Event(e)))", event)
    page.wait_for_timeout(100)
    seen |= {"pwned": page.evaluate("window.pwned === undefined"), "title": page.title(), "url": page.url}
    seen |= {"outline": page.evaluate(OUTLINE), "drawn": page.evaluate(DRAWN), "frames": len(page.frames)}
    seen["text"] = page.evaluate("document.body.textContent")
    context.close()
    return seen


GROUPS = [list(PAYLOADS[at : at + size]) for at, size in ((0, 10), (10, 10), (20, 4), (24, 4), (28, 12))]


def test_there_are_forty_payloads_in_groups():
    assert len(set(PAYLOADS)) == 40
    assert [x for group in GROUPS for x in group] == list(PAYLOADS)


@pytest.mark.parametrize("group", range(len(GROUPS)))
def test_hostile_names_do_nothing(browser, tmp_path, group):
    names = GROUPS[group]
    pages = {
        "harmless": record([harmless(x) for x in names], [harmless(x) for x in PAYLOADS]),
        "hostile": record(names, list(PAYLOADS)),
    }
    paths = {name: write_page(made, tmp_path / name) for name, made in pages.items()}
    expected = visit(browser, paths["harmless"], bypass_csp=False)
    for bypass_csp in (False, True):
        seen = visit(browser, paths["hostile"], bypass_csp)
        assert seen["dialogs"] == 0
        assert seen["pwned"]
        assert seen["complaints"] == []
        assert seen["frames"] == 1
        assert seen["url"] == paths["hostile"].as_uri()
        outside = [url for url in seen["requests"] if not url.startswith("data:image/png")]
        assert outside == [paths["hostile"].as_uri()]
        assert seen["outline"] == expected["outline"]
        kinds = Counter(tag for tag, _ in seen["drawn"])
        assert set(kinds) <= {"svg", "g", "defs", "clipPath", "path", "rect", "use", "text", "image"}
        assert kinds["svg"] == Counter(tag for tag, _ in expected["drawn"])["svg"] > 4
        assert not [name for _, names in seen["drawn"] for name in names if name.startswith("on") or name == "style"]
        assert "{{7*7}}" in seen["text"]
        assert "<script>" in seen["text"]
    figures = sorted(p.name for p in (paths["hostile"].parent / "figures").iterdir())
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.") for name in figures)


def test_the_policy_alone_would_stop_a_script(browser, tmp_path):
    path = write_page(Record("t", "c", {}, {}), tmp_path)
    evil = f"<script>{RUN}</script><img src=x onerror={RUN}><img src=https://example.invalid/x><style>p{{color:red}}</style></body>"
    path.write_text(path.read_text().replace("</body>", evil))
    seen = visit(browser, path, bypass_csp=False)
    assert seen["dialogs"] == 0
    assert seen["pwned"]
    assert ("https://example.invalid/x", "csp") in seen["failed"]
    assert len(seen["complaints"]) >= 3
    assert visit(browser, path, bypass_csp=True)["dialogs"] > 0


@pytest.mark.parametrize(("width", "scheme"), [(320, "light"), (390, "dark"), (1280, "light")])
def test_it_fits_the_screen(browser, tmp_path, width, scheme, sprites_record):
    path = write_page(sprites_record, tmp_path)
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    page.goto(path.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == width
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(15, 18, 21)"}[scheme]
    context.close()
