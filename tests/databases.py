"""A PostgreSQL server of the tests' own, from Debian's package: on a socket and a free port, gone when they end."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

USER, PASSWORD = "tastemap", "s3cret / of:the@tests"


@dataclass(frozen=True)
class Server:
    """A running server.

    folder : where its socket and its data are
    port : that of the socket's name, and of loopback
    """

    folder: Path
    port: int

    @property
    def uri(self) -> str:
        """Return the address by the socket, where nobody is asked for a password."""
        return f"postgresql://{USER}@/postgres?host={quote(str(self.folder), safe='')}&port={self.port}"

    def over_tcp(self, password: str | None = PASSWORD, user: str = USER, database: str = "postgres") -> str:
        """Return the address by the network, where a password is asked for."""
        secret = "" if password is None else f":{quote(password, safe='')}"
        return f"postgresql://{user}{secret}@127.0.0.1:{self.port}/{database}"

    def run(self, sql: str) -> list[tuple[object, ...]]:
        """Run statements and return the rows of the last."""
        import psycopg

        with psycopg.connect(self.uri, autocommit=True) as connection:
            done = connection.execute(sql)
            return [] if done.description is None else done.fetchall()


def find_programs() -> Path | None:
    """Return the folder of the newest server that is installed, None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parents[1].name))
    return found[-1].parent if found else None


@contextmanager
def run_server() -> Iterator[Server]:
    """Start a server with an empty database, and stop it and remove it afterwards."""
    programs = find_programs()
    if programs is None:
        raise FileNotFoundError("there is no PostgreSQL")
    # A socket's path has at most 107 characters: not in pytest's folder.
    folder = Path(tempfile.mkdtemp(prefix="tastemap-pg-"))
    owner = _find_owner()
    if owner is not None:
        os.chown(folder, owner["user"], owner["group"])
    folder.chmod(0o755)
    secret = folder / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o644)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    how = {"cwd": folder, "stdout": subprocess.DEVNULL, "env": {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}}
    if owner is not None:
        how |= owner | {"extra_groups": []}
    data = folder / "data"
    make = [programs / "initdb", "-D", data, "-U", USER, "--pwfile", secret, "--auth-local=trust", "-N", "-E", "UTF8"]
    serve = [programs / "postgres", "-D", data, "-k", folder, "-p", str(port), "-h", "127.0.0.1", "-F"]
    server = None
    try:
        subprocess.run([*make, "--auth-host=scram-sha-256"], check=True, **how)
        server = subprocess.Popen([*serve, "-c", "log_min_messages=fatal"], stderr=subprocess.DEVNULL, **how)
        ready = [programs / "pg_isready", "-q", "-h", folder, "-p", str(port), "-t", "30"]
        _wait(ready, server, how)
        yield Server(folder, port)
    finally:
        if server is not None:
            server.send_signal(2)  # a fast stop: sessions are ended
            server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(ready: list[object], server: subprocess.Popen[bytes], how: dict[str, object]) -> None:
    for _ in range(300):
        if subprocess.run(ready, **how).returncode == 0:
            return
        assert server.poll() is None, "the server ended while it started"
        time.sleep(0.1)
    raise TimeoutError("the server did not start within half a minute")


def _find_owner() -> dict[str, int] | None:
    """Return whom the server runs as: the package's user where this is root, whom it refuses; else who runs this."""
    if os.geteuid() != 0:
        return None
    known = pwd.getpwnam("postgres")
    return {"user": known.pw_uid, "group": known.pw_gid}
