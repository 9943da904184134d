"""Every command and snippet of the README and of the pages in docs: run as written, at a budget of seconds.

Blocks run in their order, page by page, each page in a folder of its own. What needs more than a processor, a download
or hours says so in a comment before it, `<!-- not run: reason -->`; its names and experiments are checked all the same.
"""

import os
import re
import subprocess
import sys
import types
from pathlib import Path

import chz
import pytest
from pages import MOST, PAGES, ROOT, blocks, call, furnish, inline, shorter, understood

import kontrast
from kontrast.encoders import Conv
from kontrast.studies import Local
from kontrast.studies.cell import perform

ALONE = ["docs/guides/add-a-part.md", "docs/guides/your-latents.md"]
"""Pages that define parts: in a process of their own, so that no other test finds these among the others."""
RUN = [page for page in PAGES if any(each.reason is None and each.does for each in blocks(page))]


def short(experiment):
    """The same experiment with two steps, and a narrow network where it is the usual one."""
    encoder = experiment.encoder
    if type(encoder) is Conv:
        encoder = chz.replace(encoder, width=4)
    return chz.replace(experiment, epochs=None, steps=MOST["steps"], encoder=encoder)


def follow(page, monkeypatch):
    """Run all blocks of a page in the working folder; what its snippets define comes back."""
    train, examine = kontrast.train, kontrast.Run.examine

    def brief(run, *probes, **options):
        return examine(run, *probes, **{"limit": MOST["limit"], **{k: v for k, v in options.items() if k != "limit"}})

    monkeypatch.setattr(
        Local, "__call__", lambda _, tasks, look: [perform(task._replace(pages=False)) for task in tasks]
    )
    module = types.ModuleType("snippets")
    monkeypatch.setitem(sys.modules, "snippets", module)
    furnish(Path.cwd())
    for block in blocks(page):
        if block.reason is not None:
            continue
        for words in block.commands:
            assert call(shorter(words)) == 0, f"{page}:{block.line}: kontrast {' '.join(words)}"
        if block.kind == "python":
            with monkeypatch.context() as patch:
                patch.setattr(kontrast, "train", lambda experiment, *args, **kw: train(short(experiment), *args, **kw))
                patch.setattr(kontrast.Run, "examine", brief)
                exec(compile(block.text, f"{page}, line {block.line}", "exec"), module.__dict__)
    for name in [name for name in module.__dict__ if name.startswith("test_")]:
        module.__dict__[name]()
    return module.__dict__


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", [page for page in RUN if page not in ALONE])
def test_a_page_runs_as_written(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = follow(page, monkeypatch)
    if page == "docs/start.md":
        assert found["run"].checkpoint().step == MOST["steps"]
        assert found["score"].probe == "KNN"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_pages_that_define_parts_run_as_written(tmp_path):
    done = subprocess.run(
        [sys.executable, __file__, *ALONE],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "tests")},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-3000:]


@pytest.mark.parametrize("page", PAGES)
def test_commands_of_a_page_are_understood(page):
    """Also those that are not run, and those within a sentence or a table."""
    for block in blocks(page):
        for words in block.commands:
            if page not in ALONE:
                understood(words)
        assert block.reason is None or len(block.reason) > 3, f"{page}:{block.line}: say why it is not run"
    for words in inline(page):
        understood(words)


@pytest.mark.parametrize(
    "line",
    [
        "trane simclr",
        "train simclr objective.temprature=1",
        "train simclr objective.similarity=Cosin",
        "lab inversion seeds=0,1 pairing.temperature=warm",
        "probe RUN linear knn.n=3",
        "probe RUN linears",
        "data get CIFAR11",
        "data check ThreeDIdent roots=FOLDER",
        "search kitti_masks pairing.gap=1,2",
        "sweep simclr objective.similarity=Cosine,Euclidian",
        "train simclr-cifar9",
    ],
)
def test_what_is_not_there_is_not_understood(line):
    with pytest.raises(ValueError, match=r"."):
        understood(line.split())


def test_a_shorter_command_says_the_same():
    said = shorter(["train", "simclr", "data=Digits", "epochs=10", "objective.temperature=0.1", "out=runs/a"])
    assert said == [
        "train",
        "simclr",
        "steps=2",
        "encoder.width=4",
        "data=Digits",
        "objective.temperature=0.1",
        "out=runs/a",
    ]
    assert shorter(["probe", "runs/a", "linear@stem"]) == ["probe", "runs/a", "limit=400", "linear@stem"]
    said = shorter(["sweep", "simclr", "steps=50", "seed=0,1", "--each", "batch=32", "pairing.recipe.crop=None"])
    assert said == [
        "sweep",
        "simclr",
        "limit=400",
        "steps=2",
        "seed=0",
        "--each",
        "batch=32",
        "pairing.recipe.crop=None",
    ]


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_names_is_there(page):
    text = (ROOT / page).read_text()
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert ((ROOT / page).parent / target).exists(), target
    for target in re.findall(r"`make (\w+)`|\$ make (\w+)", text):
        assert re.search(rf"^{target[0] or target[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


if __name__ == "__main__":
    start = Path.cwd()
    for number, one in enumerate(sys.argv[1:]):
        with pytest.MonkeyPatch.context() as patched:
            patched.syspath_prepend(str(ROOT / "tests"))
            (start / str(number)).mkdir()
            patched.chdir(start / str(number))
            follow(one, patched)
