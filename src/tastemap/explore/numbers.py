"""Numbers in the form that a reader's browser asks for."""

from __future__ import annotations

from dataclasses import dataclass

from babel import Locale, UnknownLocaleError
from babel.numbers import format_decimal, format_percent

USUAL = Locale("en")

# The most languages of a browser that are tried.
MOST_LANGUAGES = 10


@dataclass(frozen=True)
class Numbers:
    """Writes numbers for a locale."""

    locale: Locale = USUAL

    @classmethod
    def of(cls, accept_language: str) -> Numbers:
        """Choose the first locale of a header such as "de-CH,de;q=0.9" that is known."""
        for part in accept_language.split(",")[:MOST_LANGUAGES]:
            try:
                return cls(Locale.parse(part.partition(";")[0].strip(), sep="-"))
            except (UnknownLocaleError, ValueError, TypeError):
                continue
        return cls()

    def whole(self, number: float) -> str:
        """Write a whole number, such as 1,234."""
        return format_decimal(round(number), locale=self.locale)

    def score(self, number: float) -> str:
        """Write a score: with three digits behind the point where it is small."""
        size = abs(number)
        pattern = "0.000" if size < 10 else "#,##0.0" if size < 1000 else "#,##0"
        return format_decimal(number, format=pattern, locale=self.locale)

    def percent(self, share: float, digits: int = 0) -> str:
        """Write a share, such as 43%."""
        return format_percent(share, format="0." + "0" * digits + "%" if digits else None, locale=self.locale)
