"""The commands of the README and of the pages in docs, as written, at a budget of seconds."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = {"README.md": 3, "docs/pictures.md": 2, "docs/probes.md": 2, "docs/latents.md": 1}
SMOKE = {
    "simclr": ["epochs=0.05", "encoder.width=4"],
    "inversion": ["batch=64"],
    "kitti_masks": ["data.sequences=20", "data.test=0.5", "steps=5", "encoder.width=4"],
}


def commands():
    found = []
    for page, count in BLOCKS.items():
        blocks = re.findall(r"<!-- commands -->\n```console\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
        assert len(blocks) == count
        found += [[line[2:] for line in block.splitlines() if line.startswith("$ ")] for block in blocks]
    return found


def said(word, words):
    return any(other.startswith(word.partition("=")[0] + "=") for other in words)


def smoke(words):
    """The same command, shorter: what it says stays, and what it leaves open is set small."""
    if words[:2] == ["kontrast", "train"]:
        words = [*words, *(each for each in SMOKE[words[2]] if not said(each, words))]
        if words[2] == "inversion" and not any(word.startswith("steps=") for word in words):
            words.append("steps=20")
    if words[:2] == ["kontrast", "probe"]:
        words = [*words, "limit=1000"]
    return words


@pytest.mark.slow
@pytest.mark.parametrize("block", commands(), ids=lambda block: block[-1])
def test_the_commands_run_as_written(block, tmp_path):
    (tmp_path / "my-pictures").mkdir()
    for number in range(3):
        Image.fromarray(np.full((40, 30), 80 * number, np.uint8)).save(tmp_path / "my-pictures" / f"{number}.png")
    for line in block:
        words = smoke(shlex.split(line))
        assert words[0] == "kontrast"
        code = "import sys; from kontrast.cli import main; sys.exit(main(sys.argv[1:]))"
        done = subprocess.run(
            [sys.executable, "-c", code, *words[1:]],
            cwd=tmp_path,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stderr}"


@pytest.mark.slow
def test_the_python_snippet_runs(tmp_path, monkeypatch):
    (snippet,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    short = snippet.replace("seed=1,", 'seed=1, epochs=0.05, **{"encoder.width": 4},').replace(
        ".Linear()", ".Linear(steps=3)"
    )
    assert short != snippet
    monkeypatch.chdir(tmp_path)
    found = {}
    exec(compile(short, "README.md", "exec"), found)
    assert found["features"].shape == (10_000, 32)
    assert {score.probe for score in found["scores"]} == {"Linear steps=3", "KNN k=50"}


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", *(f"docs/{p.name}" for p in ROOT.glob("docs/*.md"))])
def test_what_a_page_names_is_there(page):
    text = (ROOT / page).read_text()
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert ((ROOT / page).parent / target).exists(), target
    for target in re.findall(r"`make (\w+)`|\$ make (\w+)", text):
        assert re.search(rf"^{target[0] or target[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_the_part_that_contributing_shows_is_one(tmp_path):
    """In a process of its own, so that no other test finds it among the augmentations."""
    part, law = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    lines = [
        part,
        "import torch",
        "from scipy import stats",
        "from vision import noise",
        "from kontrast import methods",
    ]
    lines += [law, re.findall(r"def (test_\w+)", law)[0] + "()"]
    lines += ["words = ['pairing.recipe.brightness=Gamma', 'pairing.recipe.brightness.strength=3']"]
    lines += ["assert methods.simclr.read(words).pairing.recipe.brightness == Gamma(strength=3.0)"]
    (tmp_path / "shown.py").write_text("\n".join(lines))
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, tmp_path / "shown.py"], env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
