"""The page of a study, and that of two runs: what they say, and that they are one file that fetches nothing."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace

import pytest
from made_records import sprites
from made_results import study, temperatures
from test_page import Page

from kontrast.report import Record, conclude, write_beside, write_study
from kontrast.report.document import address, linked
from kontrast.results import Outcome, Results
from kontrast.scores import Score


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    results = temperatures(failed=1)
    for outcome in results.outcomes[::2]:
        (folder / outcome.path).mkdir(parents=True)
    (folder / results.outcomes[0].path / "report.html").write_text("a run")
    path = write_study(results, folder)
    return results, path, Page(path.read_text())


def text_of(page: Page) -> str:
    return re.sub(r"\s+", " ", " ".join(page.text)).replace("\u2212", "-")


def test_it_says_question_answer_table_and_how_to_read_it(written):
    results, _, page = written
    text = text_of(page)
    assert results.question in text
    assert re.sub(r"\s+", " ", conclude(results)).replace("\u2212", "-") in text
    for said in (
        results.reading,
        results.command,
        "logistic regression by L-BFGS",
        "0.1.0.dev0",
        "Liu and Nocedal 1989",
    ):
        assert said in text
    assert "0.692 ± 0.004 (3)" in text
    assert "the loss is not finite at step 40" in text
    assert "71 done, 1 failed of 72 cells." in text.replace(" ,", ",")
    assert "Main effects" in text


def test_links_lead_to_runs_and_to_sources_alone(written):
    results, path, page = written
    links = [attrs["href"] for attrs in page.all("a") if not attrs["href"].startswith("#")]
    runs = [link for link in links if link.startswith("./")]
    assert f"./{results.outcomes[0].path}/report.html" in runs
    assert f"./{results.outcomes[2].path}" in runs
    assert len(runs) == len(results.outcomes[::2])
    assert all((path.parent / link).exists() for link in runs)
    assert set(links) - set(runs) == {"https://arxiv.org/abs/2002.05709", "https://arxiv.org/abs/2102.08850"}


def test_it_fetches_and_runs_nothing(written):
    _, path, page = written
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "iframe", "object", "embed", "link", "form", "base", "img"}
    assert not [n for _, attrs in page.tags for n in attrs if n.startswith("on") or n in ("style", "srcset", "src")]
    sheet = re.search(r"<style>(.*?)</style>", path.read_text(), re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in page.all("meta")[1]["content"]
    assert page.all("meta")[1]["content"].startswith("default-src 'none'")


def test_everything_shown_is_also_said(written):
    page = written[2]
    assert all(attrs["aria-label"] for attrs in page.all("svg"))
    assert all(attrs.get("scope") for attrs in page.all("th"))
    targets = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(targets) == len(set(targets))
    links = [attrs["href"][1:] for _, attrs in page.tags if attrs.get("href", "").startswith("#")]
    assert set(links) <= set(targets)


def test_figures_lie_beside_it(written):
    _, path, page = written
    names = {found.name for found in (path.parent / "figures").iterdir()}
    assert names == {f"{name}.{end}" for name in ("score", "grid", "scatter-0") for end in ("svg", "png")}
    assert len(page.all("svg")) == 3
    assert "Rank correlation over 24 settings: 0.9" in text_of(page)


def test_a_study_of_nothing_and_one_that_runs(tmp_path):
    waiting = tuple(Outcome((x,), 0, f"{x}/seed-0", "waiting") for x in "ab")
    text = write_study(Results("", "", {"s": ("a", "b")}, waiting), tmp_path / "waiting").read_text()
    Page(text)
    assert "No cell has a score yet: 2 waiting." in text
    assert "<h1>A study</h1>" in text
    Page(write_study(Results("", "", {}, ()), tmp_path / "empty").read_text())
    nan = (Outcome(("a",), 0, "a", "done", (Score("Linear", "accuracy", float("nan")),)),)
    Page(write_study(Results("t", "q", {"s": ("a",)}, nan), tmp_path / "nan").read_text())


def test_it_never_writes_through_a_link(tmp_path):
    (tmp_path / "figures").symlink_to(tmp_path.parent)
    with pytest.raises(ValueError, match="remove it"):
        write_study(study({"s": ("a", "b")}, [0.1]), tmp_path)


def test_no_address_leads_out_of_the_folder(tmp_path):
    (tmp_path / "study" / "javascript:alert(1)").mkdir(parents=True)
    (tmp_path / "study" / 'a" onclick="x').mkdir()
    (tmp_path / "outside").mkdir()
    folder = tmp_path / "study"
    assert [address(folder, x) for x in ("../outside", str(tmp_path / "outside"), "", "none", "a\x00b")] == [""] * 5
    assert address(folder, "javascript:alert(1)") == "./javascript%3Aalert%281%29"
    assert address(folder, 'a" onclick="x') == "./a%22%20onclick%3D%22x"


def test_numbers_of_papers_become_links():
    assert linked("A et al. 2020, arXiv 2002.05709: x") == [
        ("A et al. 2020, ", ""),
        ("arXiv 2002.05709", "https://arxiv.org/abs/2002.05709"),
        (": x", ""),
    ]
    assert linked("doi 10.1000/ab(c)d") == [("doi 10.1000/ab(c)d", "https://doi.org/10.1000/ab%28c%29d")]
    assert linked("javascript:alert(1) http://x") == [("javascript:alert(1) http://x", "")]


def test_two_runs_side_by_side(tmp_path):
    left = sprites()
    left = replace(
        left, embedding=left.embedding[:200], latents=left.latents[:200], pictures=None, metrics=left.metrics[::9]
    )
    rows = [replace(row, value=row.value - 0.01) for row in left.scores[:-1]]
    changed = {**left.experiment, "seed": 7, "optimizer": {"rate": 0.5}}
    metrics = [{**row, "loss": 2 * row["loss"]} for row in left.metrics]
    right = replace(
        left, experiment=changed, scores=rows, metrics=metrics, environment={**left.environment, "torch": "9.9"}
    )
    path = write_beside(left, right, tmp_path / "two.html", names=("runs/a", "runs/b"))
    page = Page(path.read_text())
    text = text_of(page)
    assert "runs/a and runs/b" in text
    assert re.search(r"They differ in \d fields: .*seed", text)
    assert "seed 0 7" in text
    assert "a difference of -0.010 between two single runs." in text
    assert "no interval over seeds" in text
    assert "torch" in text and "9.9" in text
    assert text.index("What differs") < text.index("The same in both")
    assert len(page.all("details")) == 1
    curves = [attrs["aria-label"] for attrs in page.all("svg")]
    assert curves[0].startswith("loss: left from") and "right from" in curves[0]
    assert sum("principal components" in label for label in curves) == 4
    targets = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(targets) == len(set(targets))


@pytest.mark.parametrize(
    ("split", "said"), [("a", "on the same rows."), ("b", "not scored on the same rows"), ("", "")]
)
def test_rows_are_compared_of_scores_that_both_have(tmp_path, split, said):
    left = Record(
        "t", "c", {}, {}, scores=[Score("KNN", "accuracy", 0.5, split="a"), Score("MCC", "mcc", 1, split="c")]
    )
    right = replace(left, scores=[Score("KNN", "accuracy", 0.6, split=split)])
    text = write_beside(left, right, tmp_path / "two.html").read_text()
    assert said in text
    assert ("same rows" in text) == bool(said)


def test_two_runs_that_have_little(tmp_path):
    empty = Record("same", "kontrast train simclr", {"seed": 1}, {})
    text = write_beside(empty, empty, tmp_path / "two.html").read_text()
    Page(text)
    assert "Their experiments are the same. No score is of both." in text
    assert "Both ran in the same environment." in text
    with pytest.raises(ValueError, match=r"two\.html"):
        write_beside(empty, empty, tmp_path / "two.pdf")


def test_the_same_results_give_the_same_page(tmp_path):
    made = study({"s": ("x", "y", "z")}, [0.1])
    for name in "ab":
        write_study(made, tmp_path / name)
    for path in (tmp_path / "a").rglob("*.*"):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()


def test_the_page_says_which_scores_have_a_warning(tmp_path):
    made = study({"s": ("x", "y")}, [0.1])
    first = made.outcomes[0]
    scores = (replace(first.scores[0], warning="the fit <b>has not</b> converged"), *first.scores[1:])
    page = Page(
        write_study(replace(made, outcomes=(replace(first, scores=scores), *made.outcomes[1:])), tmp_path).read_text()
    )
    text = text_of(page)
    assert "1 of 6 runs warns of this score (†): why is below the table." in text
    assert "† Warning of 1 of 6 runs, Linear: the fit <b>has not</b> converged" in text
    assert len(re.findall(r"\(3\) †", text)) == 1
    write_study(made, tmp_path)
    assert "†" not in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(
    ("metric", "values", "floors", "better"),
    [
        ("accuracy", (0.983, 0.984), {"untrained": 0.99, "chance": 0.1}, ""),
        ("accuracy", (0.983, 0.994), {"untrained": 0.99, "raw": 0.2}, "0.994"),
        ("accuracy", (0.983, 0.984), {"untrained": 0.5, "raw": 0.985}, ""),
        ("nll", (0.5, 0.4), {"untrained": 0.45}, "0.400"),
        ("nll", (0.5, 0.4), {"untrained": 0.35}, ""),
        ("accuracy", (0.5, 0.6), {"raw": float("nan")}, "0.600"),
    ],
)
def test_two_runs_stand_beside_their_floors(tmp_path, metric, values, floors, better):
    left, right = (Record("t", "c", {}, {}, scores=[Score("Linear", metric, x, **floors)]) for x in values)
    text = write_beside(left, right, tmp_path / "two.html").read_text()
    strong = re.findall(r'class="number strong">([\d.]+)', text)
    assert strong == ([better] if better else [])
    assert ("The better is not above that." in text) == (not better)
    known = [f"{name} {x:.3f}" for name, x in floors.items() if x == x]
    assert ("Beside them: " in text) == bool(known)
    assert all(each.replace("raw", "raw input") in text for each in known)


def test_two_runs_show_what_their_scores_warn_of(tmp_path):
    score = Score("Linear", "accuracy", 0.5, 0.4)
    left = Record("t", "c", {}, {}, scores=[replace(score, warning="not <i>converged</i>"), Score("KNN", "k", 1.0)])
    right = replace(left, scores=[replace(score, value=0.6, untrained=0.3)])
    text = text_of(Page(write_beside(left, right, tmp_path / "two.html", names=("a", "b")).read_text()))
    assert "† Warning of a, Linear: not <i>converged</i>." in text and "Warning of b" not in text
    assert "0.500 † on the left, 0.600 on the right" in text
    assert "untrained 0.400 on the left, untrained 0.300 on the right. A warning stands beside them" in text
    assert "†" not in write_beside(right, right, tmp_path / "two.html").read_text()
