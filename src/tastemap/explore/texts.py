"""Every text of the explorer."""

from __future__ import annotations

from collections.abc import Sequence

# -- on every page ----------------------------------------------------------------------------------------------------

NAME = "tastemap"
PAGES = {
    "/": "Items",
    "/people": "People",
    "/taste": "My taste",
    "/map": "Map",
    "/data": "Data",
    "/models": "Models",
}
SKIP = "Skip to the content"
NAVIGATION = "Pages"
THEME = {"auto": "Theme: as the system", "light": "Theme: light", "dark": "Theme: dark"}
UNKNOWN_PAGE = "There is no such page."
FAILED = "This did not work: {sentence}"
MODELS_SHOWN = "Models shown"
METRIC = "Metric"
METRICS = {
    "cosine": "cosine, trusting what many people like",
    "plain_cosine": "plain cosine",
    "dot": "dot product",
    "euclidean": "distance",
}
EMPTY = "Nothing to list."
UPDATED = "The lists are up to date."
COPY_LINK = "Copy the link"
COPY_CODE = "Copy the lines"
COPIED = "Copied."

# -- search -----------------------------------------------------------------------------------------------------------

SEARCH_ITEM = "Search an item by title or id"
SEARCH_PERSON = "Search a person by name or id"
NOTHING_FOUND = "Nothing is called like that."
NEAR = "Did you mean one of these?"
START_WITH = "Or start with one that many people like:"
START_WITH_PERSON = "Or start with one of these people:"

# -- lists ------------------------------------------------------------------------------------------------------------

BECAUSE = "because of {names}"
NO_REASON = "as many people like it"
NEW = "new"
UP = "up {places}"
DOWN = "down {places}"
GONE = "No longer listed: {names}."
LIKE = "Like"
DISLIKE = "Dislike"
LIKE_NAME = "Like {name}"
DISLIKE_NAME = "Dislike {name}"
REMOVE_NAME = "Remove {name}"

# -- filters ----------------------------------------------------------------------------------------------------------

FILTERS = "Filters and diversity"
FILTERS_SET = "Filters and diversity ({number} set)"
COLUMN = "Column"
SIGN = "Is"
SIGNS = {"=": "is", "!=": "is not", ">=": "at least", "<=": "at most"}
VALUE = "Value, several with | between them"
ADD_FILTER = "Add the filter"
REMOVE_FILTER = "Remove the filter {filter}"
DIVERSITY = "Diversity, from the best (0) to the most different (1)"
AGE = "New within"
ANY_AGE = "all times"
AGES = {"7d": "the last week", "30d": "the last 30 days", "90d": "the last 90 days", "365d": "the last year"}
AT_MOST = "At most so many of one value"
NO_LIMIT = "no limit"

# -- items ------------------------------------------------------------------------------------------------------------

ITEMS_TITLE = "What is like it?"
ITEMS_INTRO = "Search an item and compare its neighbours under each model."
LIKED_BY = "in the training of {people} people"
SHARED = "both {values}"
BOTH = "{people} have both"
WHO_BOTH = "Who has both {first} and {second}"
WHO_MORE = "and {people} more"
CLOSE = "Close"
OPEN_TASTE = "Like it in My taste"

# -- people -----------------------------------------------------------------------------------------------------------

PEOPLE_TITLE = "What does each model recommend to this person?"
PEOPLE_INTRO = "Search a person: the history, each model's list, and the reason for every item."
HISTORY = "History, {pairs} items"
PERSON = "Person {person}"
HISTORY_NAME = "History"
PAIRS = "{pairs} items"
HISTORY_MISSING = "The files of these models were saved without histories, so there is none to show."
SWITCH = "Count {name}"
SWITCH_HINT = "Switch an item off to see what each list would be without it."
SWITCHED = "Without: {names}. The lists are those of a new person with the rest of this history."
MORE_HISTORY = "Show all {pairs}"

# -- my taste ---------------------------------------------------------------------------------------------------------

TASTE_TITLE = "My taste"
TASTE_INTRO = "Pick what you like and what you do not. Every model's list changes at once."
TASTE = "What you said"
TASTE_EMPTY = "Pick an item, and the lists appear here."
TASTE_ONLY_DISLIKED = "Like at least one item, and the lists appear here."
SHARE = "Share this taste"
SHARE_LINES = "Lines of Python"
SHARE_MODEL = "Model"
SHARE_CODE = "The lines of Python that give the list of {model}"
START_OVER = "Start over"

# -- map --------------------------------------------------------------------------------------------------------------

ON_MAP = "Show on the map"
MAP_TITLE = "The map of items"
MAP_INTRO = "Items that the same people like are near each other. The larger a point, the more people have the item."
MAP_HINT = "Zoom with the wheel or two fingers, drag to move, click a point to open its item."
MAP_NAME = "Map of {items} items in {regions} regions, which the table below lists"
MAP_OF = "{items} items."
MAP_OF_MOST = "The {items} most popular of {all} items."
MAP_MODEL = "Model"
MAP_COLOUR = "Colour"
MAP_BY_REGION = "Region"
MAP_FIND = "Find an item on the map"
MAP_PERSON = "Show a person on the map"
MAP_LEGEND = "Colours"
MAP_OVERLAYS = {"history": "what the person has", "listed": "recommended", "found": "found"}
MAP_TASTE_OVERLAYS = {"history": "what you like", "listed": "recommended to you", "found": "found"}
MAP_SHOWN_PERSON = "{name}: {history} items of the history and {listed} recommendations are on the map."
MAP_SHOWN_TASTE = "My taste: {history} liked items and {listed} recommendations are on the map."
MAP_HIDE = "Take them off the map"
MAP_FOUND = "{name} is on the map, in the region {region}."
MAP_NOT_ON = "{name} is not on the map: no person of the training has it, or it is too rare."
MAP_ZOOM_IN = "Zoom in"
MAP_ZOOM_OUT = "Zoom out"
MAP_WHOLE = "Whole map"
MAP_TO_REGION = "Show {region} on the map"
MAP_TO_REGION_SHORT = "Show"
MAP_MAKING = "The map is being made, once for this model. It appears here by itself; other pages work meanwhile."
MAP_STAGES = {
    "wait": "Waiting for its turn",
    "load": "Reading the model",
    "vectors": "Comparing items",
    "neighbours": "Finding neighbours",
    "place": "Placing items",
    "regions": "Finding regions",
}
MAP_TIME = "{seconds} s so far, of about {all} s"
MAP_READY = "The map is ready."
MAP_EMPTY = "The model knows no item that a person has."
REGIONS = "Regions"
REGIONS_SMALL = "All {number} small regions"
REGION = "Region"
REGION_ITEMS = "Items"
REGION_KNOWN = "Best known"
REGION_AROUND = "around {item}"
REGION_WORD = "“{word}”"
REGION_DECADE = "{decade}s"
OTHER_VALUES = "others"
NO_VALUE = "unknown"
FROM_TO = "{low} to {high}"

# -- data -------------------------------------------------------------------------------------------------------------

DATA_TITLE = "What the models were trained on"
DATA_INTRO = "The data of {model}, as its file has them: each pair of a person and an item once."
DATA_PAIRS = "pairs"
DATA_USERS = "people"
DATA_ITEMS = "items"
DATA_DENSITY = "density"
DATA_HISTORY = "items of a person, on average"
TAIL = "How few items have how many of the pairs"
TAIL_SAYS = "The tenth of the items that most people have takes {share} of the pairs."
TAIL_COLUMNS = ("Part of the items", "Part of the pairs")
HISTORIES = "How long histories are"
HISTORIES_COLUMNS = ("Items", "People")
WEIGHTS = "Weights"
WEIGHTS_COLUMNS = ("Weight", "Pairs")
ACTIVITY = "When it was"
ACTIVITY_COLUMNS = ("From", "Pairs")
AS_TABLE = "As a table"

# -- models -----------------------------------------------------------------------------------------------------------

MODELS_TITLE = "How the models differ"
MODEL = "Model"
BOARD = "How good are they?"
BOARD_SAYS = "Measured on held-out pairs of {users} people; below each mean its 95% interval."
BOARD_MISSING = (
    "Start the explorer with --test FILE, pairs that the models were not trained on, to see how good they are."
)
INTERVAL = "{mean} ({low} to {high})"
LISTS = "What are their lists like?"
LISTS_SAY = "The first {places} places of the lists of {users} people."
COVERAGE = "Coverage: part of the items that is listed"
NOVELTY = "Novelty, in bits"
OVERLAP = "In common with {model}"
CARD = "Card"
OBJECTIVE = "Objective by epoch"
CURVE = "The objective of {model} went from {first} to {last}."
NO_EPOCHS = "It learned at once, without epochs."

# -- wrong starts -----------------------------------------------------------------------------------------------------

UNKNOWN_ITEM = "No model knows an item {item}."
UNKNOWN_PERSON = "No model knows a person {person}."


def join(names: Sequence[str]) -> str:
    """Join names to a text: "Alien, Aliens and Brazil"."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
