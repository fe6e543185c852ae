"""The models, one file a family. `MODELS` finds a class by its name, for files and the command line."""

from __future__ import annotations

from tastemap.models.als import ImplicitALS
from tastemap.models.base import Model
from tastemap.models.ease import EASE
from tastemap.models.popular import Popular

MODELS: dict[str, type[Model]] = {cls.__name__: cls for cls in (Popular, EASE, ImplicitALS)}
