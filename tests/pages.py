"""The pages of the documentation as what they ask one to type: read, understood, and run at a smoke budget."""

import re
import shlex
import warnings
from pathlib import Path
from typing import NamedTuple

import chz
import numpy as np
from PIL import Image

from kontrast import methods, parts
from kontrast.augmentations.recipe import SLOTS
from kontrast.cli import main
from kontrast.cli.main import COMMANDS
from kontrast.cli.sweeping import read_sweep
from kontrast.datasets import Dataset, ImageFolder, Masks, Rendered
from kontrast.encoders import Conv
from kontrast.questions import asked, whereabouts
from kontrast.studies.values import Listed, read
from kontrast.words import built, split_words

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", "CONTRIBUTING.md", *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(
    r"(?:<!-- not run: ([^>]*?) ?-->\n+)?^```(console|bash|python)\n(.*?)^```$", re.DOTALL | re.MULTILINE
)
INLINE = re.compile(r"`(kontrast [^`]+)`")
STANDS_FOR = re.compile(r"[A-Z][A-Z_.]*|\.\.\.")
"""What stands for a name of the reader's own in a command, as RUN and FOLDER."""
MOST = {
    "steps": 2,
    "supervised_steps": 2,
    "rows": 60,
    "test": 20,
    "limit": 400,
    "runs": 2,
    "samples": 2,
    "workers": 1,
    "finetune.epochs": 1,
}
"""Amounts are cut to these, where a command says more."""


class Block(NamedTuple):
    """A block of a page: its commands or its Python, and why it is not run, if it is not."""

    line: int
    kind: str
    text: str
    reason: str | None

    @property
    def commands(self):
        """The words after `kontrast` of each command, however its process is started."""
        whole = re.sub(r"\$[A-Z_]+", "0", self.text.replace("\\\n", " "))
        lines = [line.removeprefix("$ ") for line in whole.splitlines() if self.kind == "bash" or line[:2] == "$ "]
        found = [shlex.split(line, comments=True) for line in lines if self.kind != "python"]
        return [words[words.index("kontrast") + 1 :] for words in found if "kontrast" in words]

    @property
    def does(self):
        """Whether there is anything to run."""
        return self.kind == "python" or bool(self.commands)


def blocks(page):
    text = (ROOT / page).read_text()
    found = []
    for match in BLOCK.finditer(text):
        reason, kind, inside = match.groups()
        if kind == "bash" and reason is None:
            reason = "a script"
        found.append(Block(text[: match.start(2)].count("\n") + 1, kind, inside, reason))
    return found


def inline(page):
    """Commands within a sentence or a table, by their words after `kontrast`."""
    prose = BLOCK.sub("", (ROOT / page).read_text())
    return [shlex.split(text)[1:] for text in INLINE.findall(re.sub(r"\s*\n", " ", prose))]


def understood(words):
    """Whether every name in a command is there and every experiment in it can be made; ValueError if not."""
    command, *rest = words
    parts.choose(command, COMMANDS, "command")
    rest = [word for word in rest if not STANDS_FOR.fullmatch(word) or command == "list"]
    named, given = split_words(rest)
    given = {field: value for field, value in given.items() if value != "..." and field != "field"}
    if command == "sweep":
        return _swept(words[1:])
    if command == "data":
        return _data(named, given)
    if command in ("probe", "compare"):
        return _asked(command, [word for word in named if "/" not in word or "@" in word], given)
    own = re.findall(r"\[(\w+)=", COMMANDS[command][2])
    fields = {field: value for field, value in given.items() if field not in own}
    if command in ("show", "train", "theory", "lab", "search", "effects") and named and "/" not in named[0]:
        if command == "effects":
            for field in [field for field in fields if field.partition(".")[0] in (*SLOTS, "augmentations")]:
                slot, _, option = field.partition(".")
                value = fields.pop(field)
                _ = built(SLOTS[slot], {option: value}) if option else [SLOTS[name] for name in value.split(",")]
        if command == "search":
            fields = {field: _first(field, value) for field, value in fields.items()}
        _made(named[0], fields)
    return None


def _made(method, fields):
    found = methods.get(method)
    try:
        found.read([f"{field}={value}" for field, value in fields.items() if not value.startswith("FOLDER")])
    except FileNotFoundError:
        return  # data that do not lie here; their names and fields were understood


def _first(field, value):
    values = read(field, value)
    return value if values is None else values.values[0] if isinstance(values, Listed) else str(values.low)


def _swept(words):
    words = [word for word in words if not STANDS_FOR.fullmatch(word) and not word.endswith("=...")]
    if [word for word in words if not word.startswith("--") and "=" not in word and not word.endswith(".py")]:
        study, _ = read_sweep(words)
        for cell in study.cells():
            study.experiment(cell)


def _data(named, given):
    own = re.findall(r"\[?(\w+)=", COMMANDS["data"][2])
    if len(named) == 2 and not Path(named[1]).suffix and named[1][0].isupper():
        cls = parts.known(Dataset)[parts.choose(named[1], parts.known(Dataset), "data set")]
        for field in given:
            top = field.removeprefix("data.").partition(".")[0]
            if field not in own and top != "pairing":
                parts.choose(top, chz.chz_fields(cls), f"field of {named[1]}")
    elif len(named) == 2 and named[0] in ("preview", "pairs"):
        _made(named[1], {field: value for field, value in given.items() if field not in own})


def _asked(command, names, given):
    given.pop("ceiling", None)
    for name in ("out", "data.root"):
        given.pop(name, None)
    whereabouts(given)
    if names and command == "probe":
        asked(names, given, given.pop("layer", None))


def shorter(words):
    """The same command at a smoke budget: amounts are cut, and what it leaves open is set small."""
    command, *rest = words
    named, given = split_words(rest)
    named = [word for word in named if not word.startswith("--")]
    most = MOST if "render" in (*named, *given) else {**MOST, "rows": MOST["limit"]}
    cut = {field: str(min(int(given[field]), top)) for field, top in most.items() if given.get(field, "").isdecimal()}
    more = {}
    if command in ("lab", "effects", "search", "sweep"):
        cut |= {field: "0,1" if command == "search" else "0" for field in ("seed", "seeds") if field in given}
    if command in ("train", "lab", "effects", "search", "sweep", "demo") and (named or command == "demo"):
        more |= {"steps": str(MOST["steps"]), **_small(command, named, given)}
    if "fraction" in given:
        cut["fraction"] = ".01"
        cut |= {field: value.split(",")[0] for field, value in given.items() if field == "finetune.rates"}
        more |= {f"{name}.epochs": "1" for name in ("finetune", "linearsgd") if name in named}
    elif command in ("probe", "compare", "lab", "effects", "search", "sweep"):
        more["limit"] = str(MOST["limit"])
    if command == "data" and "render" in given:
        more["test"] = str(MOST["test"])
    added = [f"{field}={value}" for field, value in more.items() if field not in given]
    # In their own places, since what stands behind a flag belongs to it.
    kept = [_cut(word, cut) for word in rest if not ("steps" in more and word.startswith("epochs="))]
    first = 1 if named and named[0] == kept[0] else 0
    return [command, *kept[:first], *added, *kept[first:]]


def _cut(word, cut):
    field = word.partition("=")[0]
    return f"{field}={cut[field]}" if field in cut else word


def _small(command, named, given):
    """Small data and a narrow network, where a command says nothing of them."""
    if command in ("demo", "sweep", "search"):
        return {"encoder.width": "4"} if command == "demo" else {}
    own = re.findall(r"\[(\w+)=", COMMANDS[command][2])
    fields = [f"{f}={v}" for f, v in given.items() if f not in (*own, "augmentations") and f.split(".")[0] not in SLOTS]
    made = methods.get(named[0]).read(fields)
    small = {"encoder.width": "4"} if type(made.encoder) is Conv else {}
    if command == "lab":
        small |= {"supervised_steps": "2"} if "only" not in given else {}
    if made.batch > 512 or type(made.data) in (ImageFolder, Rendered):
        small |= {"batch": "32"}
    return small | ({"data.sequences": "20", "data.test": "0.5"} if type(made.data) is Masks else {})


def furnish(folder):
    """Pictures of the reader's own, of two kinds."""
    for number in range(48):
        kind = folder / "my-pictures" / ("cats", "dogs")[number % 2]
        kind.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 120, (40, 36, 3)) + 100 * (number % 2)
        Image.fromarray(pixels.astype(np.uint8)).save(kind / f"{number}.png")


def call(words):
    """Run a command in this process, and say how it ended."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return main(words)
