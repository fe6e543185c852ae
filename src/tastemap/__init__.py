"""tastemap learns people's tastes from who-liked-what. The public names, imported when first used.

The stub beside this file is their one list; editors and type checkers read it too.
"""

from __future__ import annotations

import importlib

# Public name -> the module that it is imported from; a public module is imported from the package itself. The stub is
# read without importing anything, so that `import tastemap` takes no time.
with open(f"{__file__}i", encoding="utf-8") as _stub:
    _HOMES = {words[5]: words[1] for words in map(str.split, _stub) if words[:1] == ["from"]}

__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("tastemap")
    if name not in _HOMES:
        from tastemap.errors import suggest

        raise AttributeError(f"module 'tastemap' has no attribute {name!r}{suggest(name, __all__)}", name=name)
    home = _HOMES[name]
    if home == "tastemap":
        value: object = importlib.import_module(f"tastemap.{name}")
    else:
        value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
