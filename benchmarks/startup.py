"""Seconds until something happens, beside what `import torch` alone takes in the same run: `benchmarks/startup.py`."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

COMMAND = "import sys; from kontrast.cli import main; sys.exit(main(sys.argv[1:]))"
FIRST_STEP = f"""
import os
from torch.optim.optimizer import register_optimizer_step_post_hook
register_optimizer_step_post_hook(lambda *_: os._exit(0))
{COMMAND}
"""
TORCH_STEP = """
import torch
layer = torch.nn.Linear(2, 2)
layer(torch.zeros(2, 2)).sum().backward()
torch.optim.AdamW(layer.parameters()).step()
"""
BEYOND = """
import time, torch
start = time.perf_counter()
from kontrast import methods, probes, train
print(time.perf_counter() - start)
"""
TRAINED = ("train inversion", "train simclr data=Digits encoder=Conv")


def seconds(code: str, words: Sequence[str] = ()) -> tuple[float, str]:
    """How long a fresh interpreter takes with a program, and what it prints; it must end well."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    taken = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"{' '.join(words) or code} failed: {done.stderr}")
    return taken, done.stdout


def measure() -> dict[str, float]:
    """Everything once."""
    found = {"import torch": seconds("import torch")[0]}
    found["import kontrast.methods, probes and train, beyond torch"] = float(seconds(BEYOND)[1])
    found["torch alone: first step"] = seconds(TORCH_STEP)[0]
    found["kontrast --help"] = seconds(COMMAND, ["--help"])[0]
    for words in TRAINED:
        with tempfile.TemporaryDirectory() as out:
            found[f"kontrast {words}: first step"] = seconds(FIRST_STEP, [*words.split(), f"out={out}/run"])[0]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Seconds until something happens, beside `import torch`.")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each, of which the median counts")
    rounds = [measure() for _ in range(parser.parse_args().repeats)]
    middle = {name: statistics.median(found[name] for found in rounds) for name in rounds[0]}
    width = max(map(len, middle))
    print(f"{'':<{width}} {'seconds':>8} {'ratio':>6}")
    for name, taken in middle.items():
        print(f"{name:<{width}} {taken:>8.2f} {taken / middle['import torch']:>6.2f}")


if __name__ == "__main__":
    main()
