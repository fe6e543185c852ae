"""Features by definition: for each row, a dict of its features that are not zero."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from math import sqrt


def hots(column: str, rows: list[list[str]], scale: bool) -> list[dict[str, float]]:
    out = []
    for values in rows:
        distinct = {value for value in values if value}
        weight = 1 / sqrt(len(distinct)) if scale and distinct else 1.0
        out.append({f"{column}={value}": weight for value in distinct})
    return out


def standardised(column: str, rows: list[float | None]) -> list[dict[str, float]]:
    known = [value for value in rows if value is not None]
    mean = sum(known) / len(known)
    deviation = sqrt(sum((value - mean) ** 2 for value in known) / len(known))
    out = []
    for value in rows:
        scaled = 0.0 if value is None or not deviation else max(-3.0, min(3.0, (value - mean) / deviation))
        out.append({column: scaled} if scaled else {})
    return out


def stems_of(
    text: str,
    stop_words: Mapping[str, set[str]],
    scripts: Mapping[str, str],
    stem: Callable[[str, str], str],
    named: str | None,
) -> list[str]:
    """The stems of a text, in order; ``stop_words`` has the words of each language, likeliest language first."""
    plain = unicodedata.normalize("NFKC", text).lower().replace("’", "'")
    words = re.findall(r"[^\W_]+(?:'[^\W_]+)*", plain)
    votes = {language: sum(word in listed for word in words) for language, listed in stop_words.items()}
    if named is not None:
        votes[named] = len(words) + 1
    every = set().union(*stop_words.values())
    out = []
    for word in words:
        if word in every:
            continue
        for part in word.split("'"):
            if len(part) > 1 and part not in every:
                script = unicodedata.name(part[0]).split()[0]
                own = [language for language in stop_words if scripts[language] == script]
                out.append(stem(max(own, key=votes.__getitem__), part) if own else part)
    return out
