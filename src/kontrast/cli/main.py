"""Commands and how they end. Nothing heavy is imported before a command needs it, so that help comes at once."""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version

COMMANDS = {
    "list": ("catalog", "the methods and parts there are, a line each", "kontrast list [FAMILY]"),
    "show": (
        "catalog",
        "a method's whole experiment: value, origin, meaning",
        "kontrast show METHOD [field=value ...]",
    ),
    "train": (
        "work",
        "train an experiment",
        "kontrast train METHOD [field=value ...] [out=FOLDER] [resume=True] [threads=N] [device=NAME] [compile=True] "
        "[place=mapped] [track=wandb,trackio]",
    ),
    "theory": (
        "laboratory",
        "what an experiment should recover of its latents, and why",
        "kontrast theory METHOD [field=value ...] | kontrast theory RUN",
    ),
    "lab": (
        "laboratory",
        "train over seeds and compare with the truth",
        "kontrast lab METHOD [field=value ...] [seeds=0,1,2] [out=FOLDER] [only=unsupervised|supervised] "
        "[supervised_steps=N] [limit=ROWS] [threads=N] [device=NAME] [compile=True]",
    ),
    "probe": (
        "probing",
        "ask what a trained encoder learned",
        "kontrast probe RUN [RUN ...] [PROBE[@LAYER] ... | all] [probe.field=value ...] [layer=NAME] "
        "[fraction=.01,.1,1] [checkpoint=last|STEP] [limit=ROWS] [data=NAME] [data.field=value ...] [ceiling=RUN] "
        "[cache=False] [device=NAME] [threads=N]",
    ),
    "compare": (
        "compare",
        "whether several runs learned the same thing, without labels",
        "kontrast compare RUN RUN [...] [consistency] [udr] [consistency.by=affine] [consistency.ica=True] "
        "[limit=ROWS] [layer=NAME] [checkpoint=STEP] [out=FILE.json]",
    ),
    "effects": (
        "effects",
        "what each augmentation does to the recovery of each latent",
        "kontrast effects METHOD [field=value ...] augmentations=crop,flip,... [crop.field=value ...] "
        "[base=mild|none|SLOT,...] [seeds=0,1,2] [readout=recovery] [layer=NAME] [limit=ROWS] [out=FOLDER] "
        "[threads=N] [device=NAME] [compile=True]",
    ),
    "search": (
        "searching",
        "settings drawn at random, trained over seeds and ranked without labels",
        "kontrast search METHOD [field=value ...] field=a,b,c field=0.1..0.9 field=log:1e-4..1e-2 [seed=0..4] "
        "[runs=12] [out=FOLDER] [select=udr|PROBE] [limit=ROWS] [search_seed=N] [again=True] [threads=N] [device=NAME] "
        "[compile=True]",
    ),
    "sweep": (
        "sweeping",
        "a grid of experiments in one command, answered by a table and a page",
        "kontrast sweep METHOD[,METHOD ...]|STUDY|FILE.py [field=value ...] field=a,b,c field=0.1..0.9:5 [seed=0..2] "
        "[--each field=value ...] [zip=a+b] [samples=N [search_seed=N]] [search=optuna [at_once=N]] "
        "[ask=linear,knn] [probe.field=value ...] [score=NAME] "
        "[baseline=field=value] [out=FOLDER] [--dry-run] [--executor local|slurm] [executor.field=value ...] "
        "[again=True] [device=NAME] [compile=True]",
    ),
    "report": (
        "pages",
        "write the page of a run or a study, or of two runs side by side",
        "kontrast report RUN | kontrast report STUDY [out=FOLDER] | kontrast report RUN RUN out=FILE.html",
    ),
    "table": (
        "answering",
        "a study's answer: scores over seeds, and differences to the baseline",
        "kontrast table STUDY [format=text|markdown|latex|csv|json] [score=NAME] [baseline=LEVEL,...] "
        "[columns=NAME,...] [where=AXIS=LEVEL,...]",
    ),
    "runs": (
        "listing",
        "all runs below folders, side by side",
        "kontrast runs [FOLDER ...] [sort=SCORE|path|age] [columns=FIELD,SCORE,...] [only=done,failed,...] "
        "[format=text|csv|json|markdown]",
    ),
    "embed": (
        "files",
        "features and confidence of any folder of pictures",
        "kontrast embed RUN FOLDER out=FILE.parquet|.csv|.npz [layer=feature|embedding|raw] [samples=N] [skip=N] "
        "[checkpoint=STEP] [device=NAME]",
    ),
    "export": (
        "files",
        "the trained network for use without kontrast",
        "kontrast export RUN out=FILE [format=safetensors|torchscript|torch.export|onnx] [checkpoint=STEP]",
    ),
    "data": (
        "data",
        "data sets: list, fetch and check them, and look at their views",
        "kontrast data | kontrast data get NAME [to=FOLDER] | kontrast data check NAME|FOLDER [field=value ...] | "
        "kontrast data preview METHOD [field=value ...] [out=FILE.png] [pictures=N] | "
        "kontrast data render NAME [field=value ...] out=FOLDER [rows=N] [test=N] [seed=N] [workers=N] [shard=K/N] "
        "[device=NAME] | kontrast data pairs METHOD|NAME [field=value ...] [rows=N] [out=FILE.csv | render=FOLDER] | "
        "kontrast data table NAME [field=value ...] out=FILE.csv [test=SHARE] [seed=N] [pictures=FOLDER]",
    ),
    "selfcheck": ("selfcheck", "golden values of all losses and metrics", "kontrast selfcheck [WORD ...]"),
    "demo": ("pages", "minutes to a first result: recover the latents of sprites", "kontrast demo [out=FOLDER]"),
}

FLAGGED = ("sweep",)
"""Commands that read flags among their words themselves."""
SHORT = ("out of memory", "can't allocate memory", "not enough memory")
"""How torch says that memory does not suffice, on a GPU and on a processor."""
OUT_OF_MEMORY = "the memory does not suffice; write a smaller batch=, limit= for probes, or device=cpu"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Exit status: 0, 1 for trouble on the way, 2 for bad input, 128 + n when signal n came."""
    parser = argparse.ArgumentParser(
        prog="kontrast",
        description="Show a network two views of the same thing, ask that they agree, and measure what it learned.",
        epilog="kontrast COMMAND --help says how each is called.",
    )
    parser.add_argument("--version", action="version", version=f"kontrast {version('kontrast')}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (_, summary, usage) in COMMANDS.items():
        command = commands.add_parser(
            name, help=summary, usage=usage, description=f"{summary[0].upper()}{summary[1:]}."
        )
        command.add_argument("words", nargs="*", help="names and field=value arguments, as in the usage line")
    given = [*(sys.argv[1:] if argv is None else argv)]
    arguments = parser.parse_args([given[0], "--", *given[1:]] if _flagged(given) else given)
    return _run(arguments.command, arguments.words)


def _flagged(given: Sequence[str]) -> bool:
    """Whether a command that takes flags among its words was called with some, and not asked for help."""
    return len(given) > 1 and given[0] in FLAGGED and not {"-h", "--help"} & {*given}


def _run(command: str, words: list[str]) -> int:
    warnings.showwarning = lambda message, *_, **__: _say("note", str(message))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        if refuse := getattr(import_module("kontrast.cli.ahead"), f"{command}_ahead", None):
            refuse(words)
        getattr(import_module(f"kontrast.cli.{COMMANDS[command][0]}"), f"{command}_command")(words)
    except ArithmeticError as error:
        _say("stopped", str(error))
        return 1
    except (ValueError, FileNotFoundError, ModuleNotFoundError) as error:
        _say("error", str(error))
        return 2
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 128 + signal.SIGPIPE
        _say("error", str(error))
        return 1
    except (MemoryError, RuntimeError) as error:
        short = isinstance(error, MemoryError) or any(words in str(error) for words in SHORT)
        own = isinstance(error, MemoryError) and str(error)  # it says itself what did not fit
        status: int | None = getattr(error, "status", None)  # training was asked to stop by a signal
        _say("error" if status is None else "left", OUT_OF_MEMORY if short and not own else _line(error))
        return 1 if status is None else status
    except KeyboardInterrupt:
        _say("left", "interrupted")
        return 128 + signal.SIGINT
    except Exception as error:
        if os.environ.get("KONTRAST_TRACEBACK"):
            raise
        what = f"{type(error).__name__}: {_line(error)}"
        _say(
            "error",
            f"{what} (a fault of kontrast: with KONTRAST_TRACEBACK=1 it says where, which a report should name)",
        )
        return 1
    return 0


def _line(error: Exception) -> str:
    return (str(error) or repr(error)).splitlines()[0]


def _say(kind: str, text: str) -> None:
    from rich.console import Console
    from rich.text import Text

    from kontrast.text import plain

    styles = {"note": "yellow", "left": "yellow", "stopped": "red", "error": "red"}
    console = Console(stderr=True)
    console.print(Text(f"{kind}: ", styles[kind]) + Text(plain(text, 2000)), soft_wrap=True)
