"""The README's commands, as written, at a budget of seconds."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

README = (Path(__file__).parents[1] / "README.md").read_text()
SMOKE = {"simclr": ["epochs=0.05", "encoder.width=4"], "inversion": ["batch=64"]}


def commands():
    blocks = re.findall(r"<!-- commands -->\n```console\n(.*?)```", README, re.DOTALL)
    assert len(blocks) == 3
    return [[line[2:] for line in block.splitlines() if line.startswith("$ ")] for block in blocks]


def smoke(words):
    """The same command, shorter: what it says stays, and what it leaves open is set small."""
    if words[:2] == ["kontrast", "train"]:
        words = [*words, *SMOKE[words[2]]]
        if words[2] == "inversion" and not any(word.startswith("steps=") for word in words):
            words.append("steps=20")
    if words[:2] == ["kontrast", "probe"]:
        words = [*words, "limit=1000"]
    return words


@pytest.mark.slow
@pytest.mark.parametrize("block", commands(), ids=lambda block: block[0].split()[2])
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
    assert {score.probe for score in found["scores"]} == {"Linear", "KNN"}


def test_what_the_readme_names_is_there():
    root = Path(__file__).parents[1]
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (root / target).exists(), target
    for target in re.findall(r"`make (\w+)`|\$ make (\w+)", README):
        assert re.search(rf"^{target[0] or target[1]}:", (root / "Makefile").read_text(), re.MULTILINE)
