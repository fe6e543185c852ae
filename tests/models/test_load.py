from __future__ import annotations

import errno
import json
import os
import random
import signal
import stat
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

import tastemap as tm
from tastemap.files import arrays as array_file
from tastemap.files.arrays import read_arrays, write_arrays


def popular(users: list[Any] | None = None, items: list[Any] | None = None) -> tm.Popular:
    users, items = users or ["ä", "b", "b", "c"], items or [1, 2, 3, 1]
    # Ids that are given are names, even NA.
    named = {"users": list(dict.fromkeys(users)), "items": list(dict.fromkeys(items))}
    return tm.Popular().fit(tm.Interactions.from_frame({"user": users, "item": items}, **named))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A saved ImplicitALS."""
    pairs = tm.Interactions.from_frame({"user": list("aabbc"), "item": [1, 2, 2, 3, 1]})
    path = tmp_path / "model.safetensors"
    tm.ImplicitALS(factors=3, epochs=2).fit(pairs).save(path)
    return path


def assert_refused(path: Path, *words: str) -> None:
    """Whether it is copied or mapped."""
    for memory_map in (False, True):
        with pytest.raises(tm.ModelFileError) as refused:
            tm.load(path, memory_map=memory_map)
        text = str(refused.value)
        assert str(path) in text
        assert "\n" not in text
        for word in words:
            assert word in text


def header_size(content: bytes) -> int:
    return 8 + struct.unpack("<Q", content[:8])[0]


@pytest.mark.parametrize(
    "length", ["0", "4", "8", "header // 2", "header - 1", "header", "(header + size) // 2", "size - 1"]
)
def test_a_file_that_was_cut_is_refused(file: Path, length: str) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: eval(length, {"header": header_size(content), "size": len(content)})])
    assert_refused(file, "save it again")


def test_a_file_with_something_behind_it_is_refused(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"\0")
    assert_refused(file)


def test_every_altered_byte_of_the_arrays_is_noticed(file: Path) -> None:
    content = file.read_bytes()
    for place in range(header_size(content), len(content), 7):
        altered = bytearray(content)
        altered[place] ^= 1
        file.write_bytes(altered)
        assert_refused(file, "altered")


@pytest.mark.parametrize(
    ("old", "new"),
    [('epochs\\": 2', 'epochs\\": 3'), ("user_factors_", "item_factorz_"), ('"F32"', '"I32"'), ("[3,3]", "[9,1]")],
)
def test_an_altered_header_is_refused(file: Path, old: str, new: str) -> None:
    content = file.read_bytes()
    start = header_size(content)
    altered = content[:start].replace(old.encode(), new.encode())
    assert altered != content[:start]
    assert len(altered) == start
    file.write_bytes(altered + content[start:])
    assert_refused(file)


@pytest.mark.parametrize("content", [b"", b"user,item\n1,2\n", b"PAR1" * 40, b"\xff" * 100, b"\0" * 8])
def test_what_is_no_model_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(content)
    assert_refused(path, "no whole tastemap model")


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
def test_a_safetensors_file_of_others_is_refused(metadata: dict[str, str] | None, tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"weight": np.zeros(3, np.float32)}, path, metadata=metadata)
    assert_refused(path, "not one that tastemap wrote")


def test_a_checkpoint_is_not_a_model(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    pairs = tm.Interactions.from_frame({"user": list("aab"), "item": [1, 2, 2]})
    tm.ImplicitALS(factors=3, epochs=1).fit(pairs, checkpoint=path)
    assert_refused(path, "checkpoint")


def test_a_file_of_a_newer_version_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(array_file, "FORMAT_VERSION", array_file.FORMAT_VERSION + 1)
    popular().save(file)
    monkeypatch.undo()
    assert_refused(file, "update tastemap")


@pytest.mark.parametrize("changes", [{"class": "Oracle"}, {"parameters": {"factors": 3, "clairvoyance": 1}}], ids=str)
def test_a_model_that_this_version_does_not_know_is_refused(file: Path, changes: dict[str, Any]) -> None:
    arrays, header, _ = read_arrays(file, "model")
    own = {name: value for name, value in header.items() if name not in ("format", "kind")}
    write_arrays(file, arrays, "model", {**own, **changes})
    assert_refused(file)


def test_a_folder_and_a_missing_file_are_not_found(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match="is a folder: name a model file in it"):
        tm.load(tmp_path)
    for path in (tmp_path / "none", str(tmp_path / "none")):
        with pytest.raises(FileNotFoundError, match="there is no file") as refused:
            tm.load(path)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("place", ["missing/model", "file/model", ""])
def test_where_nothing_can_be_written_nothing_is(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    with pytest.raises(OSError, match=r"there is no folder|is no ordinary file"):
        popular().save(tmp_path / place)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert not list(tmp_path.parent.glob(f".{tmp_path.name}.*"))


@pytest.mark.parametrize(
    "write", [lambda model, path: model.save(path), lambda model, path: model.recommend_all(path, exclude_seen=False)]
)
def test_a_disk_that_is_full_is_an_os_error_and_keeps_the_old_file(write: Any, file: Path, full_disk: Any) -> None:
    before = file.read_bytes()
    large = popular(items=[*range(1000, 3000)], users=[f"user {n}" for n in range(2000)])
    with full_disk(4096), pytest.raises(OSError, match="large") as refused:
        write(large, file)
    assert (refused.value.errno, refused.value.filename) == (errno.EFBIG, str(file))
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_an_error_while_saving_keeps_the_old_file_and_leaves_nothing_behind(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    before = file.read_bytes()
    for name in ("fsync", "replace", "chmod"):
        monkeypatch.setattr(os, name, interrupt)
        with pytest.raises(KeyboardInterrupt):
            popular().save(file)
        monkeypatch.undo()
        assert file.read_bytes() == before
        assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    model = popular()
    contents = set()
    for number in range(12):
        path = tmp_path / str(number)
        model.save(path)
        contents.add(path.read_bytes())
    tm.load(path).save(path)
    contents.add(path.read_bytes())
    assert len(contents) == 1


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_permissions_follow_the_umask(umask: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        popular().save(tmp_path / "model")
        assert os.umask(umask) == umask, "saving must not change it"
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "model").stat().st_mode) == 0o666 & ~umask


@pytest.mark.parametrize(
    ("users", "items"),
    [
        ([2**63 - 1, -(2**63), 0, 2**53 + 1], [1, 2, 3, 4]),
        ([2**64 - 1, 2**63, 1, 2], [5, 6, 7, 8]),
        (["None", "ä", "日本語", "🦀 and more"], ["a", "NA", "x\n", "\u0301"]),
        ([" x"], ["\\N"]),
    ],
)
def test_ids_survive_exactly(users: list[Any], items: list[Any], tmp_path: Path) -> None:
    model = popular(users, items)
    model.save(tmp_path / "model")
    again = tm.load(tmp_path / "model")
    assert list(again.users) == users
    assert list(again.items) == items
    assert again.users.ids.dtype == model.users.ids.dtype
    assert again.recommend(exclude_seen=False).equals(model.recommend(exclude_seen=False))
    assert again.interactions.fingerprint() == model.interactions.fingerprint()


def test_columns_keep_the_names_that_results_had(tmp_path: Path) -> None:
    members = tm.IdMap(["x", "y"], "member")
    pairs = tm.Interactions.from_frame(
        {"person": ["x", "y"], "film": [1, 2]}, user="person", item="film", users=members
    )
    model = tm.Popular().fit(pairs)
    model.save(tmp_path / "model")
    assert tm.load(tmp_path / "model").recommend(exclude_seen=False).equals(model.recommend(exclude_seen=False))


def test_a_loaded_model_can_be_updated(file: Path) -> None:
    model = tm.load(file)
    assert model.item_factors_.flags.c_contiguous
    news = tm.Interactions.from_frame({"user": ["new"], "item": [1]})
    assert model.update(news).recommend("new").equals(tm.load(file).update(news).recommend("new"))


def test_a_process_killed_while_saving_leaves_a_whole_file(tmp_path: Path) -> None:
    """Ten times: kill a process that saves two models in turn; the file is always the one or the other."""
    path = tmp_path / "model"
    script = dedent("""
        import sys, numpy as np, scipy.sparse as sp, tastemap as tm
        models = [tm.Popular().fit(tm.Interactions.from_csr(sp.csr_array(np.full((n, 300), 1.0)))) for n in (200, 900)]
        models[0].save(sys.argv[1])
        print("ready", flush=True)
        while True:
            for model in models:
                model.save(sys.argv[1])
    """)
    rng, seen = random.Random(0), set()
    saving = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE)
    with saving:
        assert saving.stdout is not None
        saving.stdout.readline()
        for _ in range(9):
            time.sleep(rng.uniform(0, 0.03))
            saving.send_signal(signal.SIGSTOP)  # what a reader sees now is what a kill would have left
            seen.add(len(tm.load(path).users))
            saving.send_signal(signal.SIGCONT)
        time.sleep(rng.uniform(0, 0.03))
        saving.kill()
    seen.add(len(tm.load(path).users))
    assert seen <= {200, 900}


def test_the_header_can_be_read_without_tastemap(file: Path, run_python: Callable[..., str]) -> None:
    said = run_python(
        """
        import json, sys
        from safetensors import safe_open
        with safe_open(sys.argv[1], framework="numpy") as file:
            print(file.metadata()["tastemap"])
        """,
        file,
    )
    header = json.loads(said[said.index("{") :])
    assert (header["class"], header["parameters"]["factors"], header["format"]) == ("ImplicitALS", 3, 1)
    assert {"tastemap", "numpy", "numba", "python"} <= header["versions"].keys()


def test_a_link_stays_a_link_and_what_is_no_file_stays_what_it_is(tmp_path: Path) -> None:
    model = tm.Popular().fit(tm.Interactions.from_frame({"user": [1, 2], "item": [1, 1]}))
    link, pipe = tmp_path / "link", tmp_path / "pipe"
    link.symlink_to(tmp_path / "target")
    model.save(link)
    assert link.is_symlink()
    assert list(tm.load(tmp_path / "target").items) == list(model.items)
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="pipe is no ordinary file"):
        model.save(pipe)
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*nowhere to write model in"):
        model.save(tmp_path / "nowhere" / "model")
