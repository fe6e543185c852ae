"""How the site is made from this folder: see `make docs`."""

from __future__ import annotations

import sys
from importlib.metadata import version as installed
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # for the extensions that are files of this folder

project = "tastemap"
author = copyright = "the tastemap developers"
version = release = installed("tastemap")

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx_design", "sphinx_copybutton"]
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = "tastemap"
html_copy_source = False  # a tutorial's source is a notebook that few readers would know what to do with

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
