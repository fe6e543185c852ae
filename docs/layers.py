"""The imports within the package, read from its files, and the order of its rooms, read from CONTRIBUTING.md.

`make layers` draws them; tests/test_layers.py holds one against the other.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
ORDER = ROOT / "CONTRIBUTING.md"

# Module -> the modules of the package that it imports.
Imports = Mapping[str, frozenset[str]]


def read_imports(source: Path) -> Imports:
    """Return what every module imports, also in functions, for types only and relatively; stubs count as their module.

    Imports by a name made at run time are not seen, and the packages around a module do not count.
    """
    files = [(_name_of(file.relative_to(source)), file) for file in sorted(source.rglob("*.py*")) if _is_code(file)]
    names = {name for name, _ in files}
    imports: dict[str, frozenset[str]] = dict.fromkeys(names, frozenset())
    for name, file in files:
        package = name if file.stem == "__init__" else name.rpartition(".")[0]
        found = {_module_of(written, names) for written in _find_imports(file, package)}
        imports[name] |= {module for module in found if module} - {name}
    return imports


def read_rooms(text: str) -> list[str]:
    """Return the rooms as the table of CONTRIBUTING.md names them: each may import from those before it."""
    table = re.search(r"^\| rooms \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", text, flags=re.MULTILINE)
    if table is None:
        raise ValueError("CONTRIBUTING.md has no table that begins with '| rooms |'")
    return [room for row in table[1].splitlines() for room in re.findall(r"`([^`]+)`", row.split("|")[1])]


def room_of(module: str, rooms: list[str]) -> str:
    """Return the innermost of the rooms that a module lies in, "" where it lies in none."""
    path = module.split(".")
    if len(path) == 1:
        return module if module in rooms else ""
    inside = ("/".join(path[1:end]) for end in range(len(path), 1, -1))
    return next((room for room in inside if room in rooms), "")


def find_arrows_up(imports: Imports, rooms: list[str]) -> set[tuple[str, str]]:
    """Return pairs of a module and a module that it imports from a room behind its own."""
    place = {room: number for number, room in enumerate(rooms)}
    return {
        (module, imported)
        for module, found in imports.items()
        for imported in found
        if place[room_of(imported, rooms)] > place[room_of(module, rooms)]
    }


def find_circle(imports: Imports) -> list[str]:
    """Return a circle of modules, each imported by the next, the last the same as the first; [] where there is none."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        return circle
    return []


def draw(imports: Imports, rooms: list[str], source: Path) -> str:
    """Return a line a room: its share of the lines of code, and the rooms it imports from."""
    lines = dict.fromkeys(rooms, 0)
    for file in source.rglob("*.py"):
        lines[room_of(_name_of(file.relative_to(source)), rooms)] += len(file.read_text(encoding="utf-8").splitlines())
    width = max(map(len, rooms))
    drawn = []
    for room in rooms:
        found = {room_of(one, rooms) for name, many in imports.items() if room_of(name, rooms) == room for one in many}
        below = ", ".join(other for other in rooms if other in found - {room})
        drawn.append(f"{room:{width}} {lines[room] / sum(lines.values()):4.0%}  {below}".rstrip())
    return "\n".join(drawn)


def _is_code(file: Path) -> bool:
    return file.suffix in (".py", ".pyi")


def _name_of(file: Path) -> str:
    parts = file.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _find_imports(file: Path, package: str) -> Iterator[str]:
    """Return the full name of everything that a file imports."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            around = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            home = ".".join([*around, *filter(None, [node.module])])
            yield from (f"{home}.{alias.name}" for alias in node.names)


def _module_of(name: str, modules: set[str]) -> str:
    """Return the module that a full name lies in, "" where it is none of ours."""
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name


if __name__ == "__main__":
    print(draw(read_imports(SOURCE), read_rooms(ORDER.read_text(encoding="utf-8")), SOURCE))
