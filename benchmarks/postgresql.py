"""A PostgreSQL server of one's own for a while: in a folder, on 127.0.0.1, on a free port."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = "/usr/lib/postgresql"
"""Where Debian keeps the programs of each version."""


@dataclass(frozen=True)
class PostgreSQL:
    """A server in a folder. It trusts whoever connects, and loses what was written last where the machine stops."""

    programs: Path
    folder: Path
    port: int

    @property
    def url(self) -> str:
        """The database `postgres`, as SQLAlchemy names it."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        self._control("start", "-o", options, "-l", str(self.folder / "log"))

    def stop(self, mode: str = "fast") -> None:
        """Stop it: `fast` ends all sessions, `immediate` is as a crash."""
        self._control("stop", "-m", mode)

    def _control(self, action: str, *options: str) -> None:
        run_unprivileged([str(self.programs / "pg_ctl"), action, "-w", "-D", str(self.folder / "data"), *options])


def find_programs() -> Path | None:
    """Return where PostgreSQL's programs are; None where it is not installed."""
    found = shutil.which("pg_ctl")
    if found is not None:
        return Path(found).parent
    versions = sorted(Path(PROGRAMS).glob("*/bin/pg_ctl"), key=lambda path: int(path.parts[-3]))
    return versions[-1].parent if versions else None


def make_server(programs: Path, folder: Path) -> PostgreSQL:
    """Return a server whose data lie in a folder, which is made; it is not started."""
    folder.mkdir(parents=True)
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    run_unprivileged(
        [str(programs / "initdb"), "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "--no-sync"]
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return PostgreSQL(programs, folder, port)


def run_unprivileged(command: list[str]) -> None:
    """Run a command to its end, as user postgres where this is root, as which PostgreSQL does not run."""
    before = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    done = subprocess.run([*before, *command], cwd="/", capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stderr or done.stdout}")
