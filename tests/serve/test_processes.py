"""Real servers: how they start, end, and work together."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

import tastemap as tm
from serve.running import TOKEN, free_port, likes, read_answer, running, start, write_models
from tastemap.errors import DataError, TastemapWarning
from tastemap.serve.run import is_loopback, read_token


def run(*words: object) -> tuple[int, str]:
    """Run `tastemap serve` to its end; returns the exit status and what it says."""
    command = [sys.executable, "-m", "tastemap", "serve", *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    return done.returncode, " ".join(done.stderr.split())


def test_a_wrong_start_is_one_sentence(tmp_path: Path) -> None:
    als, _ = write_models(tmp_path)
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "broken.st").write_bytes(als.read_bytes()[:-20])
    (tmp_path / "file").write_text("x")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        cases = [
            ([tmp_path / "none.st"], "there is no file .*none.st"),
            ([tmp_path / "broken.st"], "is no whole tastemap model"),
            (
                [als, "--port", port],
                f"nothing can listen on port {port} of 127.0.0.1, Address already in use: pass another",
            ),
            ([als, "--host", "0.0.0.0"], "can be reached from other machines, .*: pass --token-file FILE"),
            ([als, "--token-file", tmp_path / "empty"], "must hold a token"),
            ([als, "--token-file", tmp_path / "absent"], "No such file"),
            ([als, "--events", tmp_path / "file"], "is no folder"),
            ([als, "--items", tmp_path / "absent.csv"], "there is no file .*absent.csv"),
            ([als, als], "two models have one name"),
        ]
        for words, sentence in cases:
            status, said = run(*words, *([] if "--port" in words else ["--port", free_port()]))
            assert status == 1, said
            assert re.search(sentence, said), said
            assert said.count("Error: ") == 1
            assert "Traceback" not in said


def test_a_token_is_one_line_that_others_may_not_read(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(" secret \n")
    file.chmod(0o600)
    assert read_token(str(file)) == "secret"
    file.chmod(0o644)
    with pytest.warns(TastemapWarning, match="others may read the token"):
        read_token(str(file))
    for wrong in ("", "two words", "two\nlines", "naïve"):
        file.write_text(wrong)
        with pytest.raises(DataError, match="must hold a token"):
            read_token(str(file))
    assert read_token(None) is None


def test_what_is_the_loopback() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "localhost", "::1", "127.9.9.9")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "example.org")))


def test_two_processes_are_one_server(tmp_path: Path) -> None:
    with running(tmp_path, "--processes", 2) as server:

        def answers(seconds: float = 15.0) -> set[str]:
            """Return the digests that ten connections get."""
            return {server.ask("/recommend?user=4").json["digest"] for _ in range(10)}

        (before,) = answers()
        assert server.ask("/events", {"user": 4, "item": 260}).status == 200
        end = time.monotonic() + 15
        while any(b'"260"' in server.ask("/recommend?user=4&k=300").body for _ in range(8)):
            assert time.monotonic() < end, "a process does not know the event after 15 s"
            time.sleep(0.1)
        tm.ImplicitALS(factors=8, epochs=3, seed=5).fit(likes(), progress=False).save(tmp_path / "als.safetensors")
        server.ask("/reload", {})
        while len(found := answers()) > 1 or before in found:
            assert time.monotonic() < end + 15, "a process still has the old model"
            time.sleep(0.1)
        counted = server.ask("/metrics").body.decode()
        posted = re.search(r"^tastemap_events_total (\S+)", counted, re.MULTILINE)
        assert posted is not None
        assert float(posted[1]) == 1
        lists = re.search(r'^tastemap_requests_total\{route="/recommend",status="200"\} (\S+)', counted, re.MULTILINE)
        assert lists is not None
        assert float(lists[1]) >= 20  # of both processes
        assert server.stop() == 0
    assert "Traceback" not in server.log.read_text()


def test_what_is_in_flight_is_answered_after_sigterm(tmp_path: Path) -> None:
    models = write_models(tmp_path)
    server = start(tmp_path, models, token=None)
    try:
        body = json.dumps({"requests": [{"user": user % 60 + 1, "k": 100} for user in range(1000)]}).encode()
        head = f"POST /recommend/batch HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        with server.connect() as connection, connection.makefile("rb") as stream:
            connection.sendall(head + body[:-10])
            time.sleep(0.3)
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            connection.sendall(body[-10:])
            answer = read_answer(stream)
            assert answer.status == 200
            assert len(answer.json["answers"]) == 1000
        assert server.process.wait(20) == 0
    finally:
        server.stop(kill=True)


def test_connections_that_begin_and_do_not_go_on_are_closed(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        ended = list[float]()

        def wait(start: bytes) -> None:
            began = time.monotonic()
            with server.connect(30) as connection:
                connection.sendall(start)
                connection.recv(1)
            ended.append(time.monotonic() - began)

        slow = [threading.Thread(target=wait, args=(start,)) for start in (b"GET / HT", b"GET / HTTP/1.1\r\nHost: a")]
        for one in slow:
            one.start()
        assert server.ask("/recommend?user=4").status == 200
        for one in slow:
            one.join()
        assert all(8 < seconds < 15 for seconds in ended)


def test_a_body_that_drips_is_answered_and_cut_off(tmp_path: Path) -> None:
    with running(tmp_path) as server, server.connect(40) as connection:
        head = f"POST /recommend HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nAuthorization: Bearer {TOKEN}\r\n"
        connection.sendall(f"{head}Content-Length: 1000\r\n\r\n".encode())
        began = time.monotonic()
        with suppress(ConnectionError):
            while time.monotonic() < began + 35:
                connection.sendall(b"{")
                time.sleep(0.5)
        assert 12 < time.monotonic() - began < 25
        assert server.ask("/recommend?user=4").status == 200


def test_the_log_is_json_and_names_no_user(tmp_path: Path) -> None:
    with running(tmp_path, "--json-logs", "--log-requests") as server:
        server.ask("/recommend?user=4&history=12")
        server.ask("/users/17")
        server.ask("/recommend", b"{")
    lines = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
    told = [(line["route"], line["status"]) for line in lines if "route" in line and line["route"] != "/health/ready"]
    assert told == [("/recommend", 200), ("/users/{user}", 200), ("/recommend", 400)]
    assert TOKEN not in server.log.read_text()


@pytest.mark.parametrize("interface", ["granian"])
def test_other_servers_run_the_application(tmp_path: Path, interface: str) -> None:
    als, _ = write_models(tmp_path)
    (tmp_path / "served.py").write_text(f"import tastemap.serve\napp = tastemap.serve.app({str(als)!r})\n")
    port = free_port()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])}
    words = ["--interface", "asgi", "--host", "127.0.0.1", "--port", str(port), "served:app"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen([sys.executable, "-m", interface, *words], stdout=log, stderr=log, env=environment)
    try:
        end = time.monotonic() + 30
        while True:
            try:
                with socket.create_connection(("127.0.0.1", port), 5) as one, one.makefile("rb") as stream:
                    one.sendall(b"GET /recommend?user=4 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    answer = read_answer(stream)
                    break
            except OSError:
                assert time.monotonic() < end, (tmp_path / "log").read_text()
                time.sleep(0.1)
        assert answer.status == 200
        assert len(answer.json["items"]) == 10
    finally:
        process.terminate()
        process.wait(20)
