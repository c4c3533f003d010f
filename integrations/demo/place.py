"""Where the demo runs: its directory, ports and environment, and nothing left over from a run before."""

import fcntl
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from integrations.embedded import HOST, Child, free_port, port_is_taken

#: Says in a process's environment that it belongs to a demo.
MARK = "CALSYNC_DEMO"
#: What a run writes into its directory and the next one removes; nothing else there is touched.
_WRITTEN = ("calsync.sqlite3*", "broker", "logs", "beat-schedule*", "processes", "environment")
_LEFTOVER_SECONDS = 5.0


class DemoUnavailable(RuntimeError):
    """The demo cannot start here; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Name everything that the demo's processes share; `broker_port` is 0 where a broker was given."""

    directory: Path
    web_port: int
    sandbox_port: int
    mail_port: int
    broker_port: int
    redis_url: str

    @property
    def web_url(self) -> str:
        """The address of the site."""
        return f"http://{HOST}:{self.web_port}"

    @property
    def sandbox_url(self) -> str:
        """The address of the sandbox."""
        return f"http://{HOST}:{self.sandbox_port}"

    def environment(self) -> dict[str, str]:
        """Return the settings of every process of the demo."""
        return {
            MARK: "1",
            "CALSYNC_ENV": "development",
            "CALSYNC_VAR_DIR": str(self.directory),
            "DATABASE_URL": f"sqlite:///{self.directory / 'calsync.sqlite3'}",
            "REDIS_URL": self.redis_url,
            "CALSYNC_PUBLIC_URL": self.web_url,
            "ALLOWED_HOSTS": "127.0.0.1,localhost",
            "CSRF_TRUSTED_ORIGINS": f"{self.web_url},http://localhost:{self.web_port}",
            "CALENDLY_API_URL": f"{self.sandbox_url}/calendly",
            "CALENDLY_AUTH_URL": f"{self.sandbox_url}/calendly-auth",
            "CALENDLY_CLIENT_ID": "sandbox-client",
            "CALENDLY_CLIENT_SECRET": "sandbox-secret",
            "CALENDLY_WEBHOOK_SIGNING_KEY": "sandbox-app-signing-key",
            "CALSYNC_WATCH_INTERVAL_SECONDS": "20",
            "SALESFORCE_LOGIN_URL": f"{self.sandbox_url}/salesforce",
            "SLACK_API_URL": f"{self.sandbox_url}/slack/api/",
            "SLACK_MESSAGE_SECONDS": "0.1",  # the sandbox has no limit, and dozens of cards go there at once
            "RESCHEDULE_HOLD_SECONDS": "5",
            "ALERT_GATHER_SECONDS": "2",
            "SWEEP_INTERVAL_SECONDS": "2",
        }


def choose(
    *,
    directory: Path,
    web_port: int,
    sandbox_port: int,
    redis_url: str,
    say: Callable[[str], object],
) -> Place:
    """Return a place with ports that are free; a taken one is replaced, and said so."""
    broker_port = 0 if redis_url else free_port()
    return Place(
        directory=directory.resolve(),
        web_port=_usable(web_port, "the site", say=say),
        sandbox_port=_usable(sandbox_port, "the sandbox", say=say),
        mail_port=free_port(),
        broker_port=broker_port,
        redis_url=redis_url or f"redis://{HOST}:{broker_port}/0",
    )


def _usable(port: int, what: str, *, say: Callable[[str], object]) -> int:
    if not port_is_taken(port):
        return port
    other = free_port()
    say(f"Port {port} is taken: {what} uses {other} instead.")
    return other


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Keep a second demo out of the directory while this one runs.

    Raises:
        DemoUnavailable: another one runs there.
    """
    directory.mkdir(parents=True, exist_ok=True)
    lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise DemoUnavailable(_already_running(directory)) from error
    try:
        yield
    finally:
        os.close(lock)


def _already_running(directory: Path) -> str:
    address = directory / "address"
    where = address.read_text().strip() if address.exists() else "elsewhere on this machine"
    return f"The demo already runs: {where}. Stop it there with Ctrl-C, or start another with --directory."


def note_address(place: Place) -> None:
    """Write down where the demo answers, for whoever tries to start a second one or to command this one."""
    (place.directory / "address").write_text(place.web_url)
    settings = {name: value for name, value in place.environment().items() if name != MARK}
    lines = (f"export {name}={shlex.quote(value)}\n" for name, value in settings.items())
    (place.directory / "environment").write_text("".join(lines))


def clear(directory: Path) -> None:
    """Remove what an earlier run left: its processes, if it was killed, and its data; the keys stay."""
    _end_leftovers(directory / "processes")
    for entry in [path for pattern in _WRITTEN for path in directory.glob(pattern)]:
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def note_process(directory: Path, child: Child) -> None:
    """Write down a process we started, so that the next run can end it if this one is killed."""
    with (directory / "processes").open("a") as file:
        file.write(f"{child.process.pid} {_started(child.process.pid)}\n")


def _end_leftovers(noted: Path) -> None:
    if not noted.exists():
        return
    rows = [line.split(" ", 1) for line in noted.read_text().splitlines()]
    ours = [int(pid) for pid, started in rows if started and _started(int(pid)) == started]
    for pid in ours:
        os.killpg(pid, signal.SIGTERM)
    deadline = time.monotonic() + _LEFTOVER_SECONDS
    while any(_started(pid) for pid in ours) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in ours:
        if _started(pid):
            os.killpg(pid, signal.SIGKILL)


def _started(pid: int) -> str:
    """Return when a process started, or an empty text if it has ended: with the id it names one for ever.

    Source: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html (state, starttime)
    """
    if not Path("/proc/self/stat").exists():
        return _started_by_ps(pid)
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if state == "Z" else fields[18]


def _started_by_ps(pid: int) -> str:
    shown = subprocess.run(  # noqa: S603  # fixed arguments
        ["/bin/ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return shown.stdout.strip()
