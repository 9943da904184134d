"""Text that LaTeX shows as it is."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from kontrast.text import plain

GREEK = {
    **{unicodedata.lookup(f"GREEK SMALL LETTER {name.replace('lambda', 'lamda')}"): name for name in (
        "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu",
        "xi", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega",
    )},
    **{unicodedata.lookup(f"GREEK CAPITAL LETTER {name.replace('Lambda', 'Lamda')}"): name for name in (
        "Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Upsilon", "Phi", "Psi", "Omega",
    )},
    "ϵ": "epsilon", "ϑ": "vartheta", "ϕ": "varphi", "ς": "varsigma",
}  # fmt: skip
SIGNS = {
    "−": "-", "·": "cdot", "×": "times", "±": "pm", "≤": "le", "≥": "ge", "≠": "ne", "≈": "approx", "∞": "infty",
    "∼": "sim", "∈": "in", "√": "surd", "∑": "sum", "∏": "prod", "∂": "partial", "∇": "nabla", "ℓ": "ell",
    "‖": "Vert", "→": "to", "←": "leftarrow", "↔": "leftrightarrow", "↑": "uparrow", "↓": "downarrow",
    "⇒": "Rightarrow",
}  # fmt: skip
HIGH = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789", strict=True))
LOW = dict(zip("₀₁₂₃₄₅₆₇₈₉", "0123456789", strict=True))
TEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "'": r"\textquotesingle{}",
    "`": r"\textasciigrave{}",
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    "–": r"\textendash{}",
    "…": r"\ldots{}",
    "†": r"\textdagger{}",
    **{letter: rf"\textsuperscript{{{digit}}}" for letter, digit in HIGH.items()},
    **{letter: rf"\textsubscript{{{digit}}}" for letter, digit in LOW.items()},
    **{letter: f"${'' if name == '-' else chr(92)}{name}$" for letter, name in (SIGNS | GREEK).items()},
}
"""What LaTeX reads otherwise than it is written, or not at all, and how to write it so that it is shown.

A bracket or a star after the end of a row would be an option of that.
"""
MOST_TOLD = 12


def tex(text: str) -> str:
    """Text that LaTeX shows as it is. Letters that pdflatex does not know stay as they are; see `unknown`."""
    shown = "".join(TEX.get(letter, letter) for letter in unicodedata.normalize("NFC", plain(text, 1000)))
    return re.sub(r"([-,])(?=\1)", r"{\1}", shown)  # -- and ,, are one sign each


def unknown(texts: Iterable[str]) -> str:
    """The letters of LaTeX that pdflatex does not know in the encoding T1, each once, up to twelve of them."""
    found = dict.fromkeys(letter for text in texts for letter in text if not _known(letter))
    return " ".join([*found][:MOST_TOLD])


def _known(letter: str) -> bool:
    """Whether pdflatex with T1 and textcomp has a letter: ASCII, Latin-1, most of Latin Extended-A, quotation marks."""
    return (ord(letter) < 0x17F and letter not in "ĦħĸĿŀŉŦŧ") or letter in "‘’‚“”„‹›—€™"
