"""Fetches a zip file from its publisher, or a wheel from a package registry, whole or not at all."""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

from tastemap.errors import DataError
from tastemap.files.whole import whole_file
from tastemap.progress import make_bar

CONNECT_SECONDS = 10.0
PIP_SECONDS = 300.0


def download(url: str, target: Path, md5: str | None, progress: bool | None) -> None:
    """Download, check and keep a zip file: ``target`` is whole or absent.

    md5 : of the whole file, in hexadecimal digits; None checks only that it is a zip file
    progress : show a bar; None shows it where stderr is a terminal

    Raises OSError or HTTPException where the file cannot be fetched, DataError where it is not the one expected.
    """
    _remove_leftovers(target)
    digest = hashlib.md5(usedforsecurity=False)
    with whole_file(target) as part:
        with part.open("wb") as out, urllib.request.urlopen(url, timeout=CONNECT_SECONDS) as response:
            size = int(response.headers.get("Content-Length") or 0)
            with make_bar(size or None, progress, unit="B", about=target.name) as shown:
                while chunk := response.read(1 << 20):
                    out.write(chunk)
                    digest.update(chunk)
                    shown.update(len(chunk))
        received = part.stat().st_size
        if size and received != size:
            raise ConnectionError(f"it ended after {received:,} of {size:,} bytes")
        if md5 is not None and digest.hexdigest() != md5:
            raise DataError(
                f"{url} has the MD5 {digest.hexdigest()} in place of {md5}, so it is damaged or was changed "
                "by its publisher: try again, or pass a local copy as path="
            )
        if not zipfile.is_zipfile(part):
            raise DataError(f"{url} is not a zip file: try again, or pass a local copy as path=")


def check_kept(path: Path, md5: str | None) -> None:
    """Raise DataError where a downloaded file is no longer the one expected; without an MD5 it must be a zip file."""
    if md5 is None:
        is_whole = zipfile.is_zipfile(path)
    else:
        with path.open("rb") as file:
            is_whole = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest() == md5
    if not is_whole:
        raise DataError(f"{path} was damaged after its download: delete it, and it is downloaded again")


def _remove_leftovers(target: Path) -> None:
    """Remove what killed downloads of ``target`` left more than a day ago; younger downloads may still be running."""
    for part in target.parent.glob(f".{target.name}.*.tmp"):
        if time.time() - part.stat().st_mtime > 86_400:
            part.unlink(missing_ok=True)


def download_wheel(requirement: str, target: Path, *, instead_of: str) -> None:
    """Take a wheel from pip's package registry: ``target`` is whole or absent.

    requirement : the package and its version, e.g. "recbole==1.2.1"
    instead_of : the URL that could not be downloaded, for messages

    Raises DataError where pip is absent, fails, or takes more than `PIP_SECONDS`.
    """
    if importlib.util.find_spec("pip") is None:
        raise DataError(
            f"cannot download {instead_of}, and this Python has no pip to take the data from {requirement} instead: "
            "install pip ('python -m ensurepip'), or get the file in another way and pass its place as path="
        )
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet"]
        command += ["--disable-pip-version-check", "--dest", folder, requirement]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=PIP_SECONDS, check=False)
            complaint = (done.stderr.strip().splitlines() or [""])[-1] if done.returncode else ""
        except subprocess.TimeoutExpired:
            complaint = f"it took more than {PIP_SECONDS:g} s"
        wheels = list(Path(folder).glob("*.whl"))
        if complaint or len(wheels) != 1:
            raise DataError(
                f"cannot download {instead_of}, nor {requirement} with pip ({complaint or 'it brought no wheel'}): "
                "get the file in another way and pass its place as path="
            )
        wheels[0].replace(target)


def explain(error: Exception) -> str:
    """Return why a download failed, as the end of a sentence."""
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answered {error.code} {error.reason}"
    return str(getattr(error, "reason", None) or error or type(error).__name__)
