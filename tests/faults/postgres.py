"""A PostgreSQL server of a test's own, from this machine's binaries, so that it may be stopped."""

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg

from integrations.embedded import HOST, Child, free_port

_DEBIAN = Path("/usr/lib/postgresql")
_ACCOUNT = "postgres"


class PostgresUnavailable(RuntimeError):
    """No server can run here; the message says what to install."""


class OwnPostgres:
    """A fresh cluster in a temporary directory, on a free port, with one superuser and no password."""

    def __init__(self) -> None:
        self._binaries = _find_binaries()
        self._prefix = _unprivileged()
        # Not below pytest's directory: the server's account may not enter it.
        self.directory = Path(tempfile.mkdtemp(prefix="calsync-postgres-"))
        if self._prefix:
            shutil.chown(self.directory, _ACCOUNT)
        self.port = free_port()
        self.child: Child | None = None
        self._run("initdb", "--auth=trust", "--username=calsync", "--no-sync", "--encoding=UTF8")

    @property
    def url(self) -> str:
        """The address for DATABASE_URL."""
        return f"postgres://calsync@{HOST}:{self.port}/postgres"

    def start(self) -> None:
        """Start the server, as often as it was stopped; return at once."""
        options = {"listen_addresses": HOST, "unix_socket_directories": "", "port": str(self.port)}
        self.child = Child.start(
            "postgres",
            [
                *self._prefix,
                str(self._binaries / "postgres"),
                "-D",
                str(self._data),
                *(word for name, value in options.items() for word in ("-c", f"{name}={value}")),
            ],
            log=self.directory / "postgres.log",
            cwd=self.directory,
        )

    def answers(self) -> bool:
        """Tell whether it lets a client in."""
        assert self.child
        self.child.check()
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def crash(self) -> None:
        """Stop it at once, every connection cut and nothing written down (an immediate stop)."""
        assert self.child
        self._run("pg_ctl", "stop", "--mode=immediate", "--wait")
        self.child.process.wait()
        self.child = None

    def remove(self) -> None:
        """Stop it and remove its files."""
        if self.child:
            self.crash()
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    def _run(self, name: str, *arguments: str) -> None:
        subprocess.run(
            [
                *self._prefix,
                str(self._binaries / name),
                *arguments,
                f"--pgdata={self._data}",
                "--silent",
            ]
            if name == "pg_ctl"
            else [*self._prefix, str(self._binaries / name), *arguments, f"--pgdata={self._data}"],
            cwd=self.directory,
            check=True,
            capture_output=True,
        )


def _find_binaries() -> Path:
    """Return the directory of initdb and postgres: by pg_config, or Debian's newest."""
    config = shutil.which("pg_config")
    found = (
        [Path(subprocess.check_output([config, "--bindir"], text=True).strip())] if config else []
    )
    found += sorted(_DEBIAN.glob("*/bin"), reverse=True)
    for directory in found:
        if (directory / "initdb").exists() and (directory / "postgres").exists():
            return directory
    raise PostgresUnavailable("PostgreSQL's server programs are not on this machine")


def _unprivileged() -> list[str]:
    """Return the words that run a command as an account that PostgreSQL starts under: not as root."""
    if os.geteuid() != 0:
        return []
    try:
        pwd.getpwnam(_ACCOUNT)
    except KeyError:
        raise PostgresUnavailable("there is no account postgres to run a server under") from None
    setpriv = shutil.which("setpriv")
    if not setpriv:
        raise PostgresUnavailable("setpriv is missing, which root needs to run a server")
    return [setpriv, f"--reuid={_ACCOUNT}", f"--regid={_ACCOUNT}", "--clear-groups"]
