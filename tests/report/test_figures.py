"""Curves, bars and maps."""

from __future__ import annotations

import re
import subprocess
import sys
import warnings
from pathlib import Path
from xml.sax.saxutils import escape

import matplotlib as mpl
import numpy as np
import pytest
from made_records import Factor, classification, sprites

from kontrast.report import colors
from kontrast.report.bars import _together, bars
from kontrast.report.curves import curves, rolling, title
from kontrast.report.figures import style, tick
from kontrast.report.maps import _flatten, maps
from kontrast.scores import Score
from kontrast.text import shortened

ODD = ["$x_1$", "$\\frac{", "a_b^c", "\\alpha", "%s {0}", "猫", "", " ", "_hidden", "x" * 500, "a\nb", "]]>", "--"]


def drawn(record):
    with style():
        return [*curves(record.metrics), *bars(record), *maps(record)]


def test_the_same_record_gives_the_same_bytes():
    assert drawn(sprites()) == drawn(sprites())


def test_settings_of_the_user_change_nothing_and_stay(classes_record):
    before = drawn(classes_record)
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.fonttype": "path"}):
        assert drawn(classes_record) == before
        assert mpl.rcParams["font.size"] == 30


ALONE = """
import sys, types
package = types.ModuleType("kontrast")
package.__path__ = [sys.argv[1]]
sys.modules["kontrast"] = package
from made_records import sprites
from kontrast.report import markdown, print_scores, write_page
write_page(sprites(), sys.argv[2])
markdown(sprites().scores)
assert not {"torch", "matplotlib.pyplot"} & set(sys.modules)
names = ("report", "results", "parts", "panels", "scores", "files", "text")
light = tuple(f"kontrast.{name}" for name in names)
assert not [name for name in sys.modules if name.startswith("kontrast.") and not name.startswith(light)]
"""


def test_it_needs_neither_torch_nor_pyplot_nor_the_rest_of_the_package(tmp_path):
    package = Path(colors.__file__).parents[1]
    subprocess.run([sys.executable, "-c", ALONE, package, tmp_path], check=True, cwd=Path(__file__).parent)


def test_drawings_have_distinct_names_and_words():
    found = drawn(sprites()) + drawn(classification())
    names = [d.name for d in drawn(sprites())]
    assert len(set(names)) == len(names)
    assert all(len(d.alt) > 20 for d in found)
    assert "scale 0.967 (0.412 untrained" in next(d.alt for d in found if d.name.startswith("bars"))


@pytest.mark.parametrize("name", ODD)
def test_names_are_never_read_as_mathematics(name):
    factors = tuple(Factor(f"{name}{i}", kind, 0, 1) for i, kind in enumerate(("continuous", "periodic", "discrete")))
    record = sprites(
        metrics=[{"step": i, f"{name}/{name}": 1.0, f"{name}/b": 2.0} for i in range(3)],
        scores=[Score(name, f"{name}/{f.name}", 0.5) for f in factors],
        embedding=np.eye(9),
        latents=np.zeros((9, 3)),
        factors=factors,
        pictures=None,
    )
    found = drawn(record)
    assert len(found) == 5
    shown = {"": "total", " ": "\u2013"}.get(name, shortened(title(name), 28).strip())
    assert f">{escape(shown)}<" in found[0].svg


def test_legends_leave_no_class_out():
    with style():
        (found,) = maps(classification(classes=["_x", "", "$y$", *"abcdefg"]))
    assert all(f">{name}<" in found.svg for name in ("\u2009_x", "\u2013", "$y$", *"abcdefg"))


def test_metrics_are_grouped_by_what_stands_before_the_slash():
    rows = [
        {"step": i, "epoch": 0.1, "loss": 3.0, "loss/a": 1.0, "rate": 0.1, "note": "x", "ok": True} for i in range(4)
    ]
    rows[2]["online/accuracy"] = 0.5
    with style():
        found = curves(rows)
    assert [d.title for d in found] == ["loss", "online probe", "learning rate"]
    watched = [{"step": i, "std/embedding": 1.0, "rank/feature": 9.0, "alarm/collapse": 0.0} for i in range(4)]
    with style():
        assert [d.title for d in curves(watched)] == ["spread of embeddings", "effective rank"]
        watched[3]["alarm/collapse"] = 1.0
        assert [d.title for d in curves(watched)][-1] == "collapse alarm"
    assert "total from 3.000 to 3.000; a from 1.000" in found[0].alt


def test_curves_of_any_numbers_in_any_order():
    values = [10**400, 1e308, -1e308, 1e-320, 5, float("-inf"), 2.0]
    with style(), warnings.catch_warnings():
        warnings.simplefilter("error")
        (found,) = curves([{"step": step, "loss": v} for step, v in zip((9, 3, 4, 1, 7, 8, 2), values, strict=True)])
    assert "loss from 1.0e-320 to 5.000" in found.alt


def test_gradient_flow_is_one_curve_for_each_block_over_powers_of_ten():
    names = [
        "encoder.0",
        "encoder.1-3",
        "encoder.stem",
        *(f"layer{i}" for i in range(4)),
        "head",
        "predictor",
        "learned",
    ]
    rows = [{"step": i} | {f"gradient/{name}": 10.0 ** (-k - i / 3) for k, name in enumerate(names)} for i in range(9)]
    rows[4]["gradient/head"] = 0.0
    with style():
        (found,) = curves(rows)
    assert found.title == "gradient flow"
    assert "block 0 from 1.000 to 0.002; block 1-3 from 0.100" in found.alt
    for name in ("block 0", "block stem", "learned"):
        assert f">{name}<" in found.svg
    assert re.search(">10⁻\\S+<", found.svg)
    with style():
        (flat,) = curves([{"step": i, "gradient/a": 0.0} for i in range(3)])
    assert flat.png[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.25, "0.25"),
        (-3, "−3"),
        (12_000, "12k"),
        (2.5e6, "2.5M"),
        (1e-5, "10⁻⁵"),
        (-2e-5, "−2·10⁻⁵"),
        (1e-4, "0.0001"),
        (3e14, "3·10¹⁴"),
    ],
)
def test_ticks_are_text_without_mathematics(value, text):
    assert tick(value) == text


def test_long_curves_are_thinned():
    with style():
        (found,) = curves([{"step": i, "loss": float(i % 7)} for i in range(50_000)])
    assert len(found.svg) < 100_000


def test_curves_with_gaps_and_without_points():
    assert curves([]) == []
    values = [1.0, float("nan"), float("inf"), 2.0] * 60
    with style(), warnings.catch_warnings():
        warnings.simplefilter("error")
        (found,) = curves([{"step": i, "loss": v} for i, v in enumerate(values)])
        (late,) = curves([{"step": i, "loss": v} for i, v in enumerate([float("nan"), 3.0, float("inf")])])
        (never,) = curves([{"step": 1, "loss": float("nan")}])
    assert found.png[:4] == b"\x89PNG"
    assert "loss from 3.000 to 3.000" in late.alt and "loss never finite" in never.alt


def test_the_rolling_mean_is_a_mean_of_finite_neighbors():
    rng = np.random.default_rng(0)
    y = rng.normal(size=400)
    y[rng.random(400) < 0.2] = np.nan
    y[100:140] = np.nan
    half = 5
    naive = [
        np.mean(w) if len(w := (v := y[max(i - half, 0) : i + half + 1])[np.isfinite(v)]) else np.nan
        for i in range(400)
    ]
    np.testing.assert_allclose(rolling(y), naive, rtol=0, atol=1e-12)


def test_panels_join_metrics_of_different_factors_only():
    rows = [Score("a", m, 1.0) for m in ("r2/x", "r2/y", "accuracy/shape", "mae/x", "mae/shape")]
    assert [[row.metric for row in panel] for panel in _together(rows)] == [
        ["r2/x", "r2/y", "accuracy/shape"],
        ["mae/x", "mae/shape"],
    ]


def test_bars_survive_scores_that_are_far_off():
    values = (float("nan"), -7.0, 3.0, 0.5, 0.0)
    rows = [
        Score("a", f"r2/{f.name}", v, untrained=-9.0, null=float("nan"))
        for f, v in zip(sprites().factors, values, strict=True)
    ]
    with style():
        (found,) = bars(sprites(scores=rows))
    assert "scale -7.000" in found.alt


def test_principal_components_are_those_of_the_covariance():
    z = np.random.default_rng(0).normal(size=(300, 5)) @ np.diag([5, 3, 1, 0.5, 0.1])
    points, shares = _flatten(z)
    values = np.sort(np.linalg.eigvalsh(np.cov(z.T)))[::-1]
    np.testing.assert_allclose(points.var(axis=0, ddof=1), values[:2], rtol=1e-9)
    np.testing.assert_allclose(shares, values[:2] / values.sum(), rtol=1e-9)


@pytest.mark.parametrize(
    "z", [np.zeros((5, 3)), np.arange(5.0)[:, None], np.full((5, 2), np.nan), np.zeros((0, 4)), np.eye(3)]
)
def test_maps_of_degenerate_embeddings(z):
    record = sprites(embedding=z, latents=None, factors=(), pictures=None)
    with style():
        found = maps(record)
    assert len(found) == (1 if np.isfinite(z).all() and len(z) else 0)


def test_maps_are_colored_by_what_is_known():
    with style():
        assert [d.title for d in maps(sprites())] == ["shape", "scale", "orientation", "position x"]
        (one,) = maps(classification())
        few = maps(classification(labels=np.full(3000, -1)))
        hundred = maps(classification(labels=np.arange(3000) % 100, classes=()))
    assert (one.title, "airplane" in one.svg) == ("class", True)
    assert "others" in few[0].svg
    assert "others" in hundred[0].svg


def test_oklch_gives_known_colors():
    light, chroma, hue = np.array(
        [[1, 0, 0], [0, 0, 0], [0.627955, 0.257683, 29.2339], [0.519752, 0.176858, 142.4953]]
    ).T
    expected = [[1, 1, 1], [0, 0, 0], [1, 0, 0], [0, 0.501961, 0]]
    np.testing.assert_allclose(colors.oklch(light, chroma, hue), expected, atol=2e-3)


def test_the_ring_of_colors_closes_and_the_line_does_not():
    ring, line = colors.cyclic().colors, colors.sequential().colors
    assert np.abs(ring[0] - ring[-1]).max() < 0.02
    assert np.abs(line[0] - line[-1]).max() > 0.3


def luminance(color):
    x = np.asarray(mpl.colors.to_rgb(color))
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize("color", [colors.TRAINED, colors.UNTRAINED, colors.RAW, colors.FLOOR, *colors.SERIES])
def test_marks_stand_out_from_the_page(color):
    assert 1.05 / (luminance(color) + 0.05) > 3


SEEN = {  # Machado, Oliveira and Fernandes 2009, severity 1
    "all": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}


def oklab(linear):
    cones = [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
             [0.0883024619, 0.2817188376, 0.6299787005]]  # fmt: skip
    lab = [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
           [0.0259040371, 0.7827717662, -0.8086757660]]  # fmt: skip
    return np.cbrt(np.clip(linear, 0, 1) @ np.transpose(cones)) @ np.transpose(lab)


@pytest.mark.parametrize("eyes", SEEN)
@pytest.mark.parametrize("series", [colors.SERIES, colors.DARK], ids=["light", "dark"])
def test_series_are_told_apart_by_everybody(series, eyes):
    x = np.array([mpl.colors.to_rgb(color) for color in series])
    linear = np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
    seen = oklab(linear @ np.transpose(SEEN[eyes]))
    apart = np.linalg.norm(seen[:, None] - seen, axis=-1) + np.eye(len(seen))
    assert apart.min() > 0.09 and apart[:5, :5].min() > 0.13


def test_the_page_has_the_colors_of_both_themes_and_every_series_a_mark():
    css = (Path(colors.__file__).parent / "page.css").read_text()
    for name, series in (("light", colors.SERIES), ("dark", colors.DARK)):
        assert " ".join(f"--s{at}: {color};" for at, color in enumerate(series)) in css, name
    assert len({colors.mark(color) for color in colors.SERIES}) == len(colors.SERIES) == len(colors.DARK)


def test_a_factor_that_never_varies_has_no_map():
    record = sprites()
    still = record.latents.copy()
    still[:, 0] = 1.0
    with style():
        found = maps(sprites(latents=still))
    assert record.factors[0].name not in " ".join(drawn.title for drawn in found)
    assert len(found) == 4
