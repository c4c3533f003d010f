"""The demo's processes: broker, sandbox, web, worker, beat."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.core.management import call_command

from integrations.demo.place import Place, note_process
from integrations.embedded import HOST, EmbeddedBroker, ProcessGroup

_WORKER_THREADS = 8


@contextmanager
def running(place: Place, *, say: Callable[[str], object]) -> Iterator[ProcessGroup]:
    """Start everything, wait until the site and the sandbox answer, and stop it all at the end.

    Raises:
        BrokerUnavailable, ChildDied: something did not start; the message says what to do.
    """
    broker = EmbeddedBroker(place.directory / "broker", port=place.broker_port)
    with ProcessGroup(place.directory / "logs") as group:
        if place.broker_port:
            say("Starting the broker ...")
            broker.start()
        try:
            if broker.child:
                note_process(place.directory, broker.child)
            _start(group, place, say=say)
            yield group
            say("Stopping ...")
        finally:
            group.stop()
            broker.stop()


def _start(group: ProcessGroup, place: Place, *, say: Callable[[str], object]) -> None:
    say("Making the database ...")
    call_command("migrate", verbosity=0, interactive=False)
    say("Starting sandbox, web, worker and beat ...")
    manage = [sys.executable, str(Path(settings.BASE_DIR) / "manage.py")]
    celery = [sys.executable, "-m", "celery", "--app", "config"]
    commands = {
        "sandbox": [*manage, "sandbox", "--port", str(place.sandbox_port), "--mail-port", str(place.mail_port)],
        "web": [
            sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", f"{HOST}:{place.web_port}",
            "--worker-class", "gthread", "--threads", "8", "--no-control-socket",
        ],
        "worker": [
            *celery, "worker", "--pool", "threads", "--concurrency", str(_WORKER_THREADS),
            "--without-gossip", "--without-mingle", "--loglevel", "INFO",
        ],
        "beat": [*celery, "beat", "--schedule", str(place.directory / "beat-schedule")],
    }  # fmt: skip
    children = {
        name: group.start(name, command, cwd=Path(settings.BASE_DIR), env=place.environment())
        for name, command in commands.items()
    }
    for child in children.values():
        note_process(place.directory, child)
    group.wait_for_port(children["sandbox"], place.sandbox_port)
    group.wait_for_port(children["web"], place.web_port)
