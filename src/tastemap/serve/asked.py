"""What requests ask for: checked by pydantic, the same fields by query and by body, described in the OpenAPI page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import parse_qsl

import orjson
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictInt,
    StrictStr,
    ValidationError,
    model_validator,
)

from tastemap.errors import ParameterError, show, suggest

MOST_LISTED, DEEPEST = 1_000, 10_000
MOST_EXPLAINED = 100
MOST_ITEMS, MOST_REQUESTS, MOST_PAIRS, MOST_EVENTS = 10_000, 1_000, 10_000, 10_000
LONGEST_TEXT = 1_000

Id = Annotated[StrictStr, Field(max_length=LONGEST_TEXT)] | StrictInt
Ids = Annotated[list[Id], Field(max_length=MOST_ITEMS)]
Text = Annotated[str, Field(max_length=LONGEST_TEXT)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Depth = Annotated[int, Field(ge=1, le=MOST_LISTED, description="how many places a list has")]


class UnreadableError(ValueError):
    """The body or the query of a request cannot be parsed."""


def _read_limits(value: Any) -> Any:
    """Return {"genre": 2} for the texts ["genre:2"] of a query."""
    if not isinstance(value, list):
        return value
    limits = dict[str, str]()
    for text in value:
        column, colon, most = str(text).rpartition(":")
        if not colon:
            raise ValueError(f"be COLUMN:MOST, such as genre:2, got {show(text)}")
        limits[column] = most
    return limits


class Asked(BaseModel):
    """A request about a model."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())
    # The fields that hold several values in a query.
    many: ClassVar[frozenset[str]] = frozenset()

    model: Text | None = Field(None, description="the name of a model; absent, the first")

    @classmethod
    def of_query(cls, query: bytes) -> Self:
        """Return what a query string asks; raises ParameterError or UnreadableError in one sentence."""
        values: dict[str, Any] = {}
        try:
            pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, max_num_fields=MOST_ITEMS, errors="strict")
        except (UnicodeError, ValueError) as error:
            raise UnreadableError("the query is no text of a form: write it as name=value&name=value") from error
        for name, value in pairs:
            if name in cls.many:
                values.setdefault(name, []).append(value)
            elif name in values:
                raise ParameterError(f"{name} is given twice", parameter=name, value=value)
            else:
                values[name] = value
        return cls.of(values)

    @classmethod
    def of_body(cls, body: bytes) -> Self:
        """Return what a JSON object asks; raises ParameterError or UnreadableError in one sentence."""
        return cls.of(read_object(body))

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Check values by name; raises ParameterError in one sentence."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise make_sentence(error, cls.model_fields) from None


class Places(Asked):
    """Which places of a list are wanted."""

    k: Depth = 10
    offset: Annotated[int, Field(ge=0, le=DEEPEST - 1, description="how many places to leave out before them")] = 0

    @model_validator(mode="after")
    def check_depth(self) -> Self:
        """Raise ValueError for places that are too far behind the first."""
        if self.depth > DEEPEST:
            raise ValueError(f"offset and k must be at most {DEEPEST:,} together, got {self.depth:,}")
        return self

    @property
    def depth(self) -> int:
        """The number of places that have to be ranked."""
        return self.offset + self.k


class Among(Places):
    """Which items may be listed."""

    many: ClassVar[frozenset[str]] = frozenset({"exclude", "candidates", "where"})

    exclude: Ids = Field(default_factory=list, description="items that may not be listed")
    candidates: Ids | None = Field(None, description="only these items may be listed")
    where: Annotated[list[Text], Field(max_length=100)] | dict[str, Any] = Field(
        default_factory=list,
        description='conditions on columns of the items: "genre=Drama|Comedy", "genre!=Horror", "year>=1990"',
    )


class Whose(Asked):
    """Says who asks: a user, a new one with a history, or a user and what happened since."""

    many: ClassVar[frozenset[str]] = frozenset({"history", "disliked", "without"})

    user: Id | None = None
    history: Ids | Annotated[dict[str, Number | None], Field(max_length=MOST_ITEMS)] | None = Field(
        None, description="items, or items with weights; of a user, what happened since the training"
    )
    disliked: Ids = Field(default_factory=list, description="items that are disliked, which are not listed")
    without: Ids = Field(default_factory=list, description="items of the user's own history that do not count")


class Recommend(Among, Whose):
    """Asks for the best items of a user, of a history, or of a user and what happened since."""

    many: ClassVar[frozenset[str]] = Among.many | Whose.many | {"at_most"}

    seen: bool = Field(False, description="whether items of the user's own history may be listed")
    since: Text | None = Field(
        None,
        description="only what is new: items without a training pair before this date, or so long before the latest "
        "pair, such as 30d",
    )
    on_unknown: Literal["raise", "popular"] = "raise"
    diversity: Annotated[float, Field(ge=0, le=1)] = 0.0
    at_most: Annotated[dict[str, Annotated[int, Field(ge=1)]], BeforeValidator(_read_limits)] = Field(
        default_factory=dict,
        description='at most so many items of one value of a column: {"genre": 2}, in a query genre:2',
    )


class SimilarItems(Among):
    """Asks for the items that are most similar to an item."""

    item: Id
    metric: Literal["cosine", "plain_cosine", "dot", "euclidean"] = "cosine"
    min_pairs: Annotated[int, Field(ge=0)] = 0


class SimilarUsers(Places):
    """Asks for the users who are most similar to a user."""

    user: Id
    metric: Literal["cosine", "plain_cosine", "dot", "euclidean"] = "cosine"


class Pair(Asked):
    """Names a user and an item."""

    user: Id
    item: Id


class Explain(Whose):
    """Asks why an item, or each of several, has its score."""

    many: ClassVar[frozenset[str]] = Whose.many | {"items"}

    item: Id | None = None
    items: Annotated[list[Id], Field(max_length=MOST_EXPLAINED)] | None = None

    @model_validator(mode="after")
    def check_items(self) -> Self:
        """Raise ValueError unless one item or several are named."""
        if (self.item is None) == (not self.items):
            raise ValueError("name one item, or several as items")
        return self

    @property
    def wanted(self) -> list[str | int]:
        """The items, however many were named."""
        return self.items or ([] if self.item is None else [self.item])


class Pairs(Asked):
    """Names users and items."""

    pairs: Annotated[list[tuple[Id, Id]], Field(min_length=1, max_length=MOST_PAIRS)]


class Find(Asked):
    """Asks for the items whose titles match a text."""

    q: Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT)]
    k: Depth = 10


class Named(Asked):
    """Names a model, or none."""


def read_object(body: bytes) -> dict[str, Any]:
    """Return a JSON object; raises UnreadableError in one sentence."""
    try:
        values = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise UnreadableError(f"the body is no JSON: {error}") from error
    if not isinstance(values, dict):
        raise UnreadableError("the body must be a JSON object")
    return values


def read_list(values: dict[str, Any], name: str, most: int) -> list[Any]:
    """Return the list that is the only value of an object, unchecked; raises ParameterError in one sentence."""
    several = values.get(name)
    if len(values) > 1 or not isinstance(several, list):
        raise ParameterError(f'the body must be {{"{name}": [...]}}', parameter=name, value=several)
    if not 1 <= len(several) <= most:
        raise ParameterError(f"{name} must be 1 to {most:,}, got {len(several):,}", parameter=name, value=len(several))
    return several


def make_sentence(error: ValidationError, fields: Mapping[str, Any]) -> ParameterError:
    """Make one sentence of the first thing that pydantic found."""
    found = error.errors(include_url=False, include_context=False)[0]
    name = next((str(part) for part in found["loc"]), "")
    value, said = found["input"], found["msg"]
    if found["type"] == "extra_forbidden":
        return ParameterError(f"there is no parameter {show(name)}{suggest(name, fields)}", parameter=name, value=value)
    if found["type"] == "missing":
        return ParameterError(f"{name} is missing", parameter=name, value=None)
    if not name:  # of several fields together
        return ParameterError(said.removeprefix("Value error, "), parameter="k", value=None)
    said = said.removeprefix("Value error, ").replace("Input should", "must").replace("input should", "must")
    said = said if said.startswith("must") else f"must {said[:1].lower()}{said[1:]}"
    got = "" if ", got" in said else f", got {show(value)}"
    return ParameterError(f"{name} {said}{got}", parameter=name, value=value)
