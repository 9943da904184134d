"""Text from anywhere, made safe to show."""

from __future__ import annotations

import unicodedata

JOINERS = "\u200c\u200d"


def plain(text: object, limit: int = 300) -> str:
    """Text as one line that does nothing where it is shown: control, direction and separator characters replaced."""

    def shown(letter: str) -> str:
        if letter in "\t\n\v\f\r\x85\u2028\u2029":
            return " "
        kind, code = unicodedata.category(letter), ord(letter)
        hidden = kind in ("Cc", "Cf", "Cs") and letter not in JOINERS
        return "\ufffd" if hidden or code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF else letter

    line = str(text)
    line = line if len(line) <= limit else line[: limit - 1] + "…"
    return "".join(map(shown, line))


def shortened(text: object, limit: int) -> str:
    """`plain` text without its middle where it is longer: names often differ at their ends."""
    line = plain(text, 2000)
    if len(line) <= limit:
        return line
    tail = (limit - 1) // 2
    return f"{line[: limit - 1 - tail].rstrip()}…{line[-tail:].lstrip()}"
