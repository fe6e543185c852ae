"""What lists are chosen by besides scores: conditions on items, their age, diversity, and limits of a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tastemap.explore import texts


@dataclass(frozen=True)
class Filters:
    """The filters of lists, as requests to the service have them.

    where : conditions such as "genre=Drama|Comedy" and "year>=1990"
    diversity : 0 to 1
    at_most : the most items of one value of a column
    since : how long before the latest time new items begin, such as "30d"; empty for items of all times
    """

    where: tuple[str, ...] = ()
    diversity: float = 0.0
    at_most: Mapping[str, int] = field(default_factory=dict)
    since: str = ""

    @classmethod
    def of(cls, query: Any) -> Filters:
        """Read the filters of an address; what cannot be read is left out.

        query : the parameters of a request, several of a name
        """
        limits = {}
        for text in query.getlist("at_most"):
            column, _, most = text.rpartition(":")
            if column and most.isdecimal() and 0 < int(most) <= 1000:
                limits[column] = int(most)
        try:
            diversity = min(max(float(query.get("diversity", 0)), 0.0), 1.0)
        except ValueError:
            diversity = 0.0
        where, since = tuple(query.getlist("where")), query.get("since", "")
        return cls(where, diversity if diversity == diversity else 0.0, limits, since if since in texts.AGES else "")

    def as_query(self) -> dict[str, Sequence[str]]:
        """Return the filters as parameters of an address; those that are not set are empty."""
        return {
            "where": self.where,
            "diversity": [f"{self.diversity:g}"] if self.diversity else [],
            "at_most": [f"{column}:{most}" for column, most in self.at_most.items()],
            "since": [self.since] if self.since else [],
        }

    def as_asked(self) -> dict[str, Any]:
        """Return the filters as fields of a request for a list."""
        asked = {"where": list(self.where), "diversity": self.diversity, "at_most": dict(self.at_most)}
        return {**asked, "since": self.since} if self.since else asked
