"""The one decorator that owns compilation and the cache of compiled kernels.

numba's own file cache has two traps. It keys an entry by the file of the compiled function alone, so a kernel keeps the
*old* version of a helper that lives in another file; here the folder's name holds a hash of every kernel file, of the
versions and of the processor, so any change starts an empty folder. And it raises at import where no folder can be
written; here that costs a warning and a compilation in every process. What it unpickles is code: a folder that others
own or may write to is not used.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any

import llvmlite
import numba
from llvmlite import binding
from numba import types

from tastemap.files.cache import cache_folder, make_private
from tastemap.kernels.core.compiled import KernelCache, warn_uncached

Kernel = Callable[..., Any]

# A folder that no process has asked for this long is of another version: seconds until it is removed.
UNUSED = 30 * 86_400

# Sums may be reordered once, when a kernel is compiled, so that they vectorise; the compiled order is fixed.
# NaN and infinity keep their meaning: divergence has to be seen.
REORDERED_SUMS = {"reassoc", "contract", "arcp", "nsz"}


def jit(function: Kernel) -> Kernel:
    """Compile a kernel: no Python inside, no GIL, sums vectorised, cached on disk. One dtype signature a kernel."""
    return _compile(function, REORDERED_SUMS)


def jit_exact(function: Kernel) -> Kernel:
    """As `jit`, with every sum in the order it is written, so that its bits do not depend on what surrounds it."""
    return _compile(function, False)


def _compile(function: Kernel, fastmath: set[str] | bool) -> Kernel:
    folder = _compiled_folder()
    # A helper that stays a function of its own exists twice, compiled alone and within its caller, with sums that may
    # differ in order. The process that compiles calls one, those that read the cache the other: so inline all.
    # Nobody calls a kernel from C, and the wrapper for that would have all of it inlined once more.
    options: dict[str, Any] = {"forceinline": True, "no_cfunc_wrapper": True}
    compiled: Any = numba.njit(nogil=True, fastmath=fastmath, error_model="numpy", **options)(function)
    if compiled is not function:  # as it is with NUMBA_DISABLE_JIT
        compiled.get_call_template = partial(_resolve_call, compiled.get_call_template)
    if folder is None or compiled is function:
        return compiled  # type: ignore[no-any-return]
    # The setting is read while the cache is made and belongs to the whole process: give it back at once.
    config: Any = numba.config
    before = config.CACHE_DIR
    config.CACHE_DIR = str(folder)
    try:
        compiled._cache = KernelCache(function)
    finally:
        config.CACHE_DIR = before
    return compiled  # type: ignore[no-any-return]


def _resolve_call(resolve: Callable[..., Any], args: tuple[Any, ...], kws: dict[str, Any]) -> Any:
    # A helper that another kernel calls with a number written in its source would be compiled for that number, and once
    # more for any. Inlined, the number is seen in either.
    return resolve(tuple(map(types.unliteral, args)), {name: types.unliteral(kind) for name, kind in kws.items()})


@cache
def _compiled_folder() -> Path | None:
    try:
        kernels = cache_folder() / "kernels"
        folder = kernels / _version_key()
        kernels.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        make_private(kernels, is_checked_inside=True)
        make_private(folder)
        with tempfile.TemporaryFile(dir=folder):
            pass
        os.utime(folder)  # in use
    except (OSError, RuntimeError) as reason:  # RuntimeError: no home folder
        warn_uncached(str(reason), "set TASTEMAP_CACHE to a folder of your own that can be written")
        return None
    _remove_unused(folder.parent)
    return folder


def _remove_unused(folders: Path) -> None:
    with suppress(OSError):  # another process may remove it first
        for folder in folders.iterdir():
            if time.time() - folder.stat().st_mtime > UNUSED:
                shutil.rmtree(folder, ignore_errors=True)


def _version_key() -> str:
    # Two machines that share a home folder must not read each other's machine code: the processor is in the key.
    key = hashlib.blake2b(digest_size=12)
    for part in (
        numba.__version__,
        llvmlite.__version__,
        platform.python_version(),
        binding.get_host_cpu_name(),
        binding.get_host_cpu_features().flatten(),
    ):
        key.update(part.encode() + b"\0")
    kernels = Path(__file__).parents[1]
    for file in sorted(kernels.rglob("*.py")):
        key.update(file.relative_to(kernels).as_posix().encode() + b"\0" + file.read_bytes())
    return key.hexdigest()
