"""Studies whose names attack, on a page in a real browser; and the page on a phone, in the dark and in print."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_results import study
from test_hostile import CHROMIUM, PAYLOADS, browser, visit  # noqa: F401

from kontrast.report import Record, write_beside, write_study
from kontrast.results import Outcome, Results
from kontrast.scores import Score

if not CHROMIUM.exists():
    pytest.skip("there is no Chromium here", allow_module_level=True)

LONG = "x" * 10_000
RTL = "\u05e9\u05dc\u05d5\u05dd\u202e\u2067abc"


def harmless(text: str) -> str:
    """Letters of no meaning, equal where the text's are, of a font that is quick to draw."""
    return "".join(letter if letter in "./: " else chr(ord("a") + ord(letter) % 26) for letter in text)


def hostile(names: list[str]) -> Results:
    """Names in every place that a name of a study can come to, numbers that are none, and labels of 10 kB."""
    axes = {names[0]: (*names[:4], LONG, RTL, ""), names[4]: (names[5], names[6])}
    outcomes = []
    for at, one in enumerate(axes[names[0]]):
        for two in axes[names[4]]:
            value = (0.1 * at, float("nan"), float("inf"))[at % 3]
            scores = tuple(Score(names[7], f"r2/{x}", value, 0.2, protocol=x, warning=x) for x in names[:8])
            scores += (Score(names[8], names[9], value + 0.1),)
            state = "failed" if at == 2 else "done"
            outcomes.append(Outcome((one, two), 0, one[:99], state, scores, why="; ".join(names)))
    return Results(
        title=names[0] + names[1],
        question=" ".join(names),
        axes=axes,
        outcomes=tuple(outcomes),
        baseline=outcomes[0].levels,
        command=" ".join(names),
        reading="\n\n".join(names),
        protocols={x: x for x in names},
        environment={x: {x: x} for x in names},
        references=[f"{x}, arXiv 2002.05709" for x in names],
    )


def two(names: list[str]) -> tuple[Record, Record]:
    """Two runs with names everywhere."""

    def one(shift: float) -> Record:
        scores = [Score(x, f"{x}/{x}", 0.5 + shift, protocol=x, split=x) for x in names]
        metrics = [{"step": i, "loss": 1.0 + shift} | dict.fromkeys(names, 0.5 * i) for i in range(3)]
        changed = {x: f"{x}{shift}" for x in names}
        return Record(names[0], " ".join(names), changed, changed, metrics=metrics, scores=scores)

    return one(0.0), one(1.0)


def test_hostile_names_do_nothing(browser, tmp_path):  # noqa: F811
    names = list(PAYLOADS)
    other = [harmless(x) for x in names]
    study = write_study(hostile(names), tmp_path / "hostile")
    beside = write_beside(*two(names[:12]), tmp_path / "two.html", names=(names[0], names[1]))
    expected = {
        study: visit(browser, write_study(hostile(other), tmp_path / "harmless"), bypass_csp=False),
        beside: visit(browser, write_beside(*two(other[:12]), tmp_path / "other.html"), bypass_csp=False),
    }
    for path, harmlessly in expected.items():
        seen = visit(browser, path, bypass_csp=True)
        assert seen["dialogs"] == 0
        assert seen["pwned"]
        assert seen["complaints"] == []
        assert seen["frames"] == 1
        assert seen["url"] == path.as_uri()
        assert [url for url in seen["requests"] if not url.startswith("data:image/png")] == [path.as_uri()]
        assert seen["outline"] == harmlessly["outline"]
        assert "<script>" in seen["text"]
    names_of_files = [found.name for found in (tmp_path / "hostile" / "figures").iterdir()]
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.") for name in names_of_files)
    page = browser.new_page(viewport={"width": 360, "height": 800})
    for path in (study, beside):
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.close()


def test_it_fits_a_phone_and_paper(browser, tmp_path):  # noqa: F811
    path = write_study(
        replace(
            study(
                {"one.axis": ("a", "b" * 60), "two": ("1", "2", "3"), "three": ("on", "off")}, [0.1] * 3, factors=True
            ),
            title="x" * 500,
            reading="y" * 500,
        ),
        tmp_path,
    )
    for width, scheme, media in ((360, "dark", "screen"), (1200, "light", "screen"), (703, "light", "print")):
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        page = context.new_page()
        page.goto(path.as_uri())
        page.emulate_media(media=media)
        assert page.evaluate("document.documentElement.scrollWidth") == width
        cut = "[...document.querySelectorAll('.scroll')].filter(x => x.scrollWidth > x.clientWidth + 1).length"
        if media == "print":  # a sheet of A4 has nothing to scroll
            assert page.evaluate(cut) == 0
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 18, 21)"
        assert dark == (scheme == "dark")
        context.close()
