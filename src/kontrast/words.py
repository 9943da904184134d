"""Words of a command line: names, and field=value arguments that make parts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import chz
from chz.blueprint import Castable

from kontrast import parts
from kontrast.blueprints import make
from kontrast.parts import Part

FIELD = re.compile(r"((?:\.\.\.)?\w+(?:\.\w+)*)=(.*)", re.DOTALL)


def split_words(words: list[str]) -> tuple[list[str], dict[str, str]]:
    """Words as they are, and field=value arguments by field. A path with an equals sign is a word, as in ./a=b."""
    found = [(word, FIELD.fullmatch(word)) for word in words]
    return [word for word, field in found if not field], {field[1]: field[2] for _, field in found if field}


def truth(text: str, field: str) -> bool:
    """True or False, as a command line says it."""
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if text.lower() not in words:
        raise ValueError(f"{field}={text} is neither True nor False; write {field}=True")
    return words[text.lower()]


def whole_number(field: str, text: str) -> int:
    """A number from 0 on, as a command line says it."""
    if not text.isdecimal() or not text.isascii():
        raise ValueError(f"{field}={text} is no whole number from 0 on; write {field}=10")
    return int(text)


def built(cls: type[Part], given: Mapping[str, str]) -> Any:
    """A part from fields as a command line says them; ValueError where a field is unknown, missing or cannot be read.

    Fields of the parts that it holds have dots, as in of.root.
    """
    names = chz.chz_fields(cls)
    for field in given:
        if not names:
            raise ValueError(f"there is no field of {cls.__name__}, which has no options; leave out {field}=")
        parts.choose(field.split(".")[0] or field, names, f"field of {cls.__name__}")
    plan: chz.Blueprint[Any] = chz.Blueprint(cls).apply({field: Castable(text) for field, text in given.items()})
    try:
        return make(plan)
    except ValueError as error:
        if missing := re.search(r"Missing required arguments for parameter\(s\): (.+)", str(error)):
            raise ValueError(f"{cls.__name__} needs {missing[1]}; write {missing[1].split(', ')[0]}=...") from None
        raise
