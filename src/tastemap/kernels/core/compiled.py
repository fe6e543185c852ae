"""The file of a compiled kernel: written whole, and never unpickled unless every byte is as it was written.

numba's own files are an index and numbered entries, unpickled as they are found: one that a kill or a full disk cut
short ends every later process. Here a kernel has one file, which begins with the hash of what follows.
"""

from __future__ import annotations

import hashlib
import pickle
import warnings
from pathlib import Path
from typing import Any

from numba.core.caching import FunctionCache
from numba.core.serialize import dumps

from tastemap.errors import TastemapWarning
from tastemap.files.whole import whole_file

DIGEST_SIZE = 32


class KernelCache(FunctionCache):
    """Keeps the compiled forms of one kernel in one file of numba's cache folder."""

    def __init__(self, kernel: Any) -> None:
        super().__init__(kernel)
        self._cache_file = KernelFile(Path(self.cache_path) / f"{self._impl.filename_base}.nbc")

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a compiled form; a disk that is full costs a warning. Ctrl-C that came meanwhile is raised."""
        try:
            super().save_overload(sig, data)
        except OSError as reason:
            warn_uncached(str(reason))
        except RuntimeError as lost:
            # LLVM hands the compiled form over in a call back to Python. What Ctrl-C raises in there is dropped on the
            # way back, and all that is left of it is that the form is missing.
            if "no compiled object" not in str(lost):
                raise
            raise KeyboardInterrupt from lost


class KernelFile:
    """A file of compiled forms by their signature."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self, key: Any) -> Any:
        """Return the form of this signature, None where there is none or the file is damaged."""
        return self._read().get(key)

    def save(self, key: Any, form: Any) -> None:
        """Add a form to the file. Raises OSError where it cannot be written."""
        content = dumps({**self._read(), key: form})
        with whole_file(self.path) as temporary:
            temporary.write_bytes(_compute_digest(content) + content)

    def flush(self) -> None:
        """Forget every form."""
        self.path.unlink(missing_ok=True)

    def _read(self) -> dict[Any, Any]:
        try:
            whole = self.path.read_bytes()
        except OSError:
            return {}
        digest, content = whole[:DIGEST_SIZE], memoryview(whole)[DIGEST_SIZE:]
        if digest != _compute_digest(content):
            return {}
        forms: dict[Any, Any] = pickle.loads(content)
        return forms


def warn_uncached(reason: str, remedy: str = "free space there, or set TASTEMAP_CACHE to another folder") -> None:
    """Say once for each reason that compiled kernels are not kept on disk."""
    warnings.warn(
        TastemapWarning(f"compiled kernels cannot be kept on disk ({reason}), so every process compiles them", remedy),
        stacklevel=2,
    )


def _compute_digest(content: bytes | memoryview) -> bytes:
    return hashlib.blake2b(content, digest_size=DIGEST_SIZE).digest()
