"""The arguments of kernels: each file's table names them all, and what is unpacked into a call comes in its order."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import tastemap
import tastemap.kernels
from tastemap.data._pairs import Rows

MODULES = [
    importlib.import_module(f"tastemap.kernels.{module.name}")
    for module in pkgutil.iter_modules(tastemap.kernels.__path__)
    if not module.ispkg
]

# Row starts, columns and numbers of CSR arrays, as kernels call them.
CSR = [
    ("indptr", "indices", "weights"),
    ("indptr", "indices", "ratings"),
    ("indptr", "indices", "values"),
    ("indptr", "indices", "data"),
    ("item_ptr", "users", "item_weights"),
    ("user_ptr", "items", "user_weights"),
    ("item_ptr", "users", "item_values"),
    ("user_ptr", "items", "user_values"),
    ("starts", "near", "similarities"),
]


def parameters(kernel: Any) -> list[str]:
    return list(inspect.signature(getattr(kernel, "py_func", kernel)).parameters)


def is_kernel(value: object) -> bool:
    # Without the compiler a kernel is the plain function.
    return hasattr(value, "py_func") or inspect.isfunction(value)


def public_kernels(module: ModuleType) -> dict[str, Any]:
    return {
        name: value
        for name, value in vars(module).items()
        if is_kernel(value) and value.__module__ == module.__name__ and not name.startswith("_")
    }


def named_in_table(module: ModuleType) -> list[str]:
    """Return the names in the first column of the tables of a module's docstring, those after 'Arguments'."""
    assert module.__doc__ is not None
    _, _, tables = module.__doc__.partition("\nArguments")
    lines = re.findall(r"^    (\w+(?:, \w+)*)  ", tables, re.MULTILINE)
    return [name for line in lines for name in line.split(", ")]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_a_table_names_every_argument_and_nothing_else(module: ModuleType) -> None:
    taken = {name for kernel in public_kernels(module).values() for name in parameters(kernel)}
    assert taken
    assert set(named_in_table(module)) == taken


@pytest.mark.parametrize(
    "name", ["WARP", "BPR", "SVD", "SVDpp", "ImplicitALS", "ExplicitALS", "EASE", "ItemKNN", "GraphFilter"]
)
def test_a_model_names_the_kernels_of_its_update_and_their_file(name: str) -> None:
    words = inspect.getdoc(tastemap.MODELS[name]) or ""
    (file,) = re.findall(r"kernels/(\w+)\.py", words)
    kernels = public_kernels(importlib.import_module(f"tastemap.kernels.{file}"))
    assert any(re.search(rf"\b{kernel}\b", words) for kernel in kernels)


def calls() -> Iterator[tuple[str, Any, ast.Call]]:
    """Yield every call of a kernel outside the kernels: where, the kernel, the call."""
    package = Path(tastemap.__file__).parent
    for path in sorted(package.rglob("*.py")):
        if "kernels" in path.relative_to(package).parts:
            continue
        tree = ast.parse(path.read_text())
        known: dict[str, Any] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tastemap.kernels"):
                home = importlib.import_module(node.module or "")
                for name in node.names:
                    value = getattr(home, name.name)
                    found = vars(value) if inspect.ismodule(value) else {"": value}
                    prefix = f"{name.asname or name.name}."
                    known |= {(prefix + key).removesuffix("."): one for key, one in found.items() if is_kernel(one)}
        solvers = [known[name] for name in ("cg_rows", "cholesky_rows", "subspace_rows") if name in known]
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                # ImplicitALS calls the solver that it is given.
                for kernel in solvers if name == "kernel" else [known[name]] if name in known else []:
                    yield f"{path.name}:{node.lineno}", kernel, node


def test_rows_are_unpacked_where_a_kernel_takes_csr_arrays_and_nothing_else_is_unpacked() -> None:
    assert Rows._fields == ("indptr", "indices", "data")
    unpacked = []
    for where, kernel, call in calls():
        names, place = parameters(kernel), 0
        for argument in call.args:
            if isinstance(argument, ast.Starred):
                assert tuple(names[place : place + 3]) in CSR, f"{where}: give {ast.unparse(argument)} by name"
                unpacked.append(kernel.__name__)
                place += 2
            place += 1
    assert {"cg_rows", "cholesky_rows", "subspace_rows", "deal", "gram_rows", "diversities"} < set(unpacked)


def test_all_kernels_that_models_use_are_looked_at() -> None:
    names = {kernel.__name__ for _, kernel, _ in calls()}
    assert {"bpr_bucket", "warp_bucket", "svd_bucket", "rating_rows", "rank_exactly", "place_rows"} < names
