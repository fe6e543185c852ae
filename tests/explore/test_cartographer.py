from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from serve.running import write_models
from tastemap.explore.atlas.__main__ import make_atlas
from tastemap.explore.atlas.making import Cartographer, Making
from tastemap.serve.served import Served
from tastemap.serve.shelf import Shelf

pytest.importorskip("umap")

LONGEST = 120.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("models")
    write_models(made)
    return made


def serve(folder: Path) -> Served:
    return Shelf({"als": folder / "als.safetensors"}, items=folder / "films.csv").get(None)


async def wait_for(making: Making) -> Making:
    end = time.monotonic() + LONGEST
    while making.map is None and making.fault is None and time.monotonic() < end:
        await asyncio.sleep(0.05)
    return making


def test_equal_files_have_equal_maps(tmp_path: Path) -> None:
    kept = []
    for name in ("first", "second"):
        write_models(tmp_path / name)
        stages: list[str] = []
        make_atlas(tmp_path / name / "als.safetensors", stages.append)
        assert stages == ["load", "vectors", "neighbours", "place", "regions"]
        kept.append((tmp_path / name / "als.safetensors.map").read_bytes())
    assert kept[0] == kept[1]


def test_a_map_is_made_by_another_process_and_the_next_server_reads_it(folder: Path) -> None:
    async def ask() -> tuple[Making, Making]:
        maker, served = Cartographer(), serve(folder)
        first = maker.ask(served)
        assert maker.ask(served) is first
        await wait_for(first)
        second = await wait_for(Cartographer().ask(serve(folder)))
        await maker.close()
        return first, second

    first, second = asyncio.run(ask())
    assert first.fault is None
    assert first.map is not None
    assert second.map is not None
    np.testing.assert_array_equal(first.map.atlas.places, second.map.atlas.places)
    assert len(first.map.atlas.rows) == sum(len(region.members) for region in first.map.regions["near"])
    assert second.stage == "wait"  # no process worked for it


def test_a_map_that_cannot_be_made_says_why(folder: Path, tmp_path: Path) -> None:
    async def ask() -> Making:
        served = serve(folder)
        gone = Served("als", tmp_path / "gone.safetensors", served.model, "0" * 32)
        return await wait_for(Cartographer().ask(gone))

    making = asyncio.run(ask())
    assert making.map is None
    assert making.fault == f"there is no file {tmp_path / 'gone.safetensors'}"


def test_a_server_that_stops_ends_the_process(folder: Path, tmp_path: Path) -> None:
    async def ask() -> set[int]:
        served = serve(folder)
        maker = Cartographer()
        making = maker.ask(Served("als", folder / "ease.safetensors", served.model, "0" * 32))
        while making.stage == "wait":
            await asyncio.sleep(0.02)
        working = find_children(os.getpid())
        await maker.close()
        return working

    working = asyncio.run(ask())
    assert len(working) == 1
    assert not working & find_children(os.getpid())


CHILD = """
import time
from tastemap.explore.atlas.__main__ import end_with_parent
end_with_parent()
print("watching", flush=True)
time.sleep(600)
"""
PARENT = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {CHILD!r}], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_the_process_ends_when_its_parent_is_killed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert is_alive(child)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    end = time.monotonic() + 20
    while is_alive(child) and time.monotonic() < end:
        time.sleep(0.05)
    assert not is_alive(child)


def test_the_server_never_imports_what_places_items(folder: Path) -> None:
    code = "import sys, tastemap.explore.atlas.making; print(sorted({'umap', 'sklearn', 'nicegui'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def find_children(pid: int) -> set[int]:
    found = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return {int(line.split()[0]) for line in found.stdout.splitlines() if "tastemap.explore.atlas" in line}
