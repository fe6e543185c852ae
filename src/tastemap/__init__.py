"""tastemap learns people's tastes from who-liked-what. The public names, imported when first used.

They stand once, in the stub beside this file: editors and type checkers read it too.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path

# Public name -> the module that it is imported from; a public module is imported from the package itself.
_HOMES = {
    name: home
    for home, name in re.findall(
        r"^from (\S+) import \w+ as (\w+)$", Path(__file__).with_suffix(".pyi").read_text(), flags=re.MULTILINE
    )
}

__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("tastemap")
    if name not in _HOMES:
        from tastemap.errors import meant

        raise AttributeError(f"module 'tastemap' has no attribute {name!r}{meant(name, __all__)}", name=name)
    home = _HOMES[name]
    if home == "tastemap":
        value: object = importlib.import_module(f"tastemap.{name}")
    else:
        value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
