"""How the site is made from this folder: see `make docs`. The files beside this one are extensions of it."""

from __future__ import annotations

import sys
from importlib.metadata import version as installed
from pathlib import Path
from typing import Generic, TypeVar

import numpy.typing

sys.path.insert(0, str(Path(__file__).parent))

project = "tastemap"
author = copyright = "the tastemap developers"
version = release = installed("tastemap")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx_design",
    "sphinx_copybutton",
    "docstrings",
    "reference",
    "abilities",
    "formulas",
    "tutorials",
    "offline",
]
exclude_patterns = ["_build"]
smartquotes = False  # "ndcg@10" is a string to copy

# -- the reference ----------------------------------------------------------------------------------------------------

# What only those who write models need, and what only fit, tm.load and tm.evaluate call.
HOOKS = (
    "check, learn, learn_more, make_scorer, place_items, run_epochs, contributions, unstated_weight, disliked_weight, "
    "fold, take_apart, make_item_space, make_user_space, known, state, candidates, from_arrays, find_sizes, "
    "check_parameters"
)
autodoc_default_options = {"exclude-members": HOOKS}
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 100


class NDArray(Generic[TypeVar("Scalar")]):
    """Stands for NumPy's alias of this name, which signatures would show in full."""


class ArrayLike:
    """Stands for NumPy's alias of this name, for the same reason."""


numpy.typing.NDArray, numpy.typing.ArrayLike = NDArray, ArrayLike  # before tastemap is imported

# Types of other packages: finding their pages would take a network.
nitpick_ignore_regex = [("py:.*", r"(?!tastemap\b).*")]
# What a table of items is made of and becomes inside the models: nobody makes these by hand.
nitpick_ignore = [("py:class", f"tastemap.data.item_table.{name}") for name in ("Column", "AlignedTable")]
# By which what was summed on Spark becomes a model.
nitpick_ignore += [
    ("py:class", f"tastemap.{name}")
    for name in ("models.shared.totals.Totals", "models.shared.state.State", "training.inverse.Symmetric")
]

# -- pages and tutorials ----------------------------------------------------------------------------------------------

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
html_math_renderer = "mathml"  # formulas.py's: the usual one fetches a script
myst_heading_anchors = 3

nb_execution_mode = "force"  # a cache would show what an earlier version answered
nb_execution_raise_on_error = True
nb_execution_timeout = 600  # seconds a cell: where kernels are compiled the first one waits for that
nb_execution_in_temp = True  # the files that a tutorial writes do not stay

# -- how it looks -----------------------------------------------------------------------------------------------------

html_theme = "furo"
html_title = "tastemap"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False  # the sources are in the repository
copybutton_selector = "div:not(.highlight-text) > div.highlight pre"  # formulas and outputs are no code
