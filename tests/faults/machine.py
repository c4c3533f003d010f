"""Calsync as it runs: web, worker and beat as processes, a broker of their own, and a sandbox. To be broken."""

import hashlib
import json
import os
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis
import requests
from django.conf import settings
from django.db import OperationalError, connection
from django.utils import timezone

from bookings.models import BookingEvent, RefetchRequest
from integrations.deliver import check_connection
from integrations.demo.accounts import connect_everything
from integrations.embedded import HOST, Child, EmbeddedBroker, ProcessGroup, free_port
from integrations.models import Connection, Delivery, InboundWebhook, Rule, WebhookSubscription
from integrations.sandbox.server import SandboxServer

PATIENCE_SECONDS = 45.0
POLL_SECONDS = 0.03
_CELERY = [sys.executable, "-m", "celery", "--app", "config"]

State = InboundWebhook.State


class Machine:
    """Start the processes, kill them by name, and see what became of every meeting."""

    def __init__(self, directory: Path, environment: dict[str, str]) -> None:
        self.directory = directory
        self.broker = EmbeddedBroker(directory / "broker", port=free_port())
        self.server = SandboxServer()
        self.server.state.config.change({"webhook_retry_base": 0.3})
        self.group = ProcessGroup(directory / "logs")
        self.web_port = free_port()
        self.environment = environment
        self.worker_threads = 4
        self._starts = 0

    @property
    def web_url(self) -> str:
        """The address of the site."""
        return f"http://{HOST}:{self.web_port}"

    @property
    def sandbox(self) -> Any:
        """What people do at the providers, and what stands there."""
        return self.server.control

    # --- starting and breaking ---

    def begin(self) -> None:
        """Start broker and sandbox; name them, and fast settings, to every process to come."""
        self.broker.start()
        self.server.start()
        self.environment |= {
            "REDIS_URL": self.broker.url,
            "CALSYNC_ENV": "development",
            "CALSYNC_VAR_DIR": str(self.directory / "var"),
            "CALSYNC_VAULT_KEYS": ",".join(settings.CALSYNC_VAULT_KEYS),
            "CALSYNC_PUBLIC_URL": self.web_url,
            "ALLOWED_HOSTS": HOST,
            "CALENDLY_API_URL": f"{self.server.url}/calendly",
            "SALESFORCE_LOGIN_URL": f"{self.server.url}/salesforce",
            "SLACK_API_URL": f"{self.server.url}/slack/api/",
            "DELIVERY_LEASE_SECONDS": "6",
            "SWEEP_INTERVAL_SECONDS": "0.5",
            "RESCHEDULE_HOLD_SECONDS": "1",
            "SLACK_MESSAGE_SECONDS": "0.05",
        }

    def connect(self) -> None:
        """Connect the accounts; Calendly's subscription points to the web process, rules to Salesforce and Slack alone."""
        connect_everything(sandbox_url=self.server.url, mail_port=self.server.mail_port)
        Rule.objects.exclude(connection__provider__in=["salesforce", "slack"]).delete()
        Rule.objects.update(waits_for=None)  # what breaks one must not be seen to hold up the other
        # Logged in: who is killed while it logs in keeps the others from it for longer than a lease lasts here.
        check_connection(self.connection("salesforce"), now=timezone.now())

    def start(self, *names: str) -> None:
        """Start web, worker or beat; return when the web process listens and the worker is ready."""
        commands = {
            "web": [
                sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", f"{HOST}:{self.web_port}",
                "--worker-class", "gthread", "--threads", "8",
            ],
            "worker": [
                *_CELERY, "worker", "--pool", "threads", "--concurrency", str(self.worker_threads),
                "--without-gossip", "--without-mingle", "--loglevel", "INFO",
            ],
            "beat": [*_CELERY, "beat", "--schedule", str(self.directory / "beat-schedule")],
        }  # fmt: skip
        for name in names:
            self._starts += 1
            child = Child.start(
                name,
                commands[name],
                log=self.directory / "logs" / f"{name}-{self._starts}.log",
                env=self.environment,
                cwd=Path(settings.BASE_DIR),
            )
            self.group.adopt(child)
        if "web" in names:
            self.group.wait_for_port(self.child("web"), self.web_port)
        if "worker" in names:
            log = self.child("worker").log
            self.until(lambda: " ready." in log.read_text(), "the worker is ready")

    def child(self, name: str) -> Child:
        """Return the running process of this name."""
        return next(child for child in self.group.children if child.name == name)

    def kill(self, name: str) -> None:
        """End a process and all it started as a power cut would."""
        child = self.child(name)
        self.group.children.remove(child)
        _kill(child)

    def kill_broker(self) -> None:
        """End the broker as a power cut would; `self.broker.start()` brings it back on its port."""
        assert self.broker.child
        _kill(self.broker.child)
        self.broker.stop()

    def empty_broker(self) -> None:
        """Make the broker forget everything."""
        with redis.from_url(self.broker.url) as client:
            client.flushall()

    def end(self) -> None:
        """End everything at once."""
        for child in self.group.children:
            _kill(child)
        self.server.stop()
        self.broker.stop()
        shutil.rmtree(self.broker.directory, ignore_errors=True)

    # --- playing ---

    def book(self, count: int = 1, *, first: int = 0) -> list[dict[str, Any]]:
        """Let people book meetings at Calendly; return the invitees."""
        return [
            self.sandbox.book(name=f"Person {number}", email=f"person{number}@example.com")
            for number in range(first, first + count)
        ]

    def store_without_nudge(self, body: dict[str, Any]) -> InboundWebhook:
        """Leave what a web process leaves that was killed after the INSERT and before the nudge."""
        raw, now = json.dumps(body).encode(), timezone.now()
        return InboundWebhook.objects.create(
            subscription=WebhookSubscription.objects.get(purpose="meetings"), body=raw, verified_by="current",
            body_sha256=hashlib.sha256(raw).hexdigest(), signed_at=now, received_at=now, last_seen_at=now,
        )  # fmt: skip

    def ready(self) -> dict[str, str]:
        """Return what /readyz says of each part."""
        answer: dict[str, str] = requests.get(f"{self.web_url}/readyz", timeout=10).json()
        return answer

    # --- looking ---

    def until(
        self, condition: Callable[[], object], what: str, *, seconds: float = PATIENCE_SECONDS
    ) -> None:
        """Wait until the condition holds; fail with the state of things if it never does."""
        deadline = time.monotonic() + seconds
        while not _holds(condition):
            self.group.check()
            if time.monotonic() > deadline:
                raise AssertionError(f"It never came true that {what}.\n{self.report()}")
            time.sleep(POLL_SECONDS)

    def until_faults_are_used(self) -> None:
        """Wait until the providers hold, or have spoilt, as many requests as they were told to."""
        self.until(lambda: not self.sandbox.faults(), "the faults were met")

    def until_a_message_is_in_hand(self) -> None:
        """Wait until a worker all of whose threads are busy has received one more message."""
        log = self.child("worker").log

        def received_for_later() -> bool:
            text = log.read_text()
            return text.count("] received") == text.count("] succeeded") + self.worker_threads + 1

        self.until(received_for_later, "the worker has a message in hand")

    def until_settled(self, meetings: int) -> None:
        """Wait until so many meetings were booked, and nothing is left to do for any."""
        self.until(lambda: self.is_settled(meetings), f"{meetings} meetings are settled")

    def is_settled(self, meetings: int) -> bool:
        """Tell whether so many meetings were booked, and nothing is left to do for any."""
        return (
            BookingEvent.objects.filter(kind="booked").count() >= meetings
            and not InboundWebhook.objects.filter(state=State.RECEIVED).exists()
            and not RefetchRequest.objects.exclude(due_at=None).exists()
            and not Delivery.objects.filter(state__in=Delivery.UNSETTLED).exists()
            and self.sandbox.webhooks()["queued"] == 0
        )

    def cards(self) -> list[dict[str, Any]]:
        """Return the messages in the channel that begin a thread."""
        messages: list[dict[str, Any]] = self.sandbox.slack_messages("#sales")
        return [row for row in messages if row.get("thread_ts") in {None, row["ts"]}]

    def slack_chains(self) -> list[str]:
        """Return the meeting that each card is about."""
        return sorted(row["metadata"]["event_payload"]["chain"] for row in self.cards())

    def salesforce_chains(self) -> list[str]:
        """Return the meeting that each Salesforce Event is about."""
        records = self.sandbox.salesforce_records("Event")
        return sorted(row["Calendly_Invitee_UUID__c"] for row in records)

    def connection(self, provider: str) -> Connection:
        """Return a provider's connection as it stands now."""
        return Connection.objects.get(provider=provider)

    def report(self) -> str:
        """Return the rows' states and each process's last words."""
        lines = [child.last_lines(25) for child in self.group.children]
        try:
            rows = (
                InboundWebhook.objects.values_list("state", "outcome", "error"),
                Delivery.objects.values_list("connection__provider", "state", "attempt_count", "error"),
                Connection.objects.values_list("provider", "state", "not_before", "state_reason"),
                RefetchRequest.objects.values_list("reason", "due_at", "last_error"),
            )  # fmt: skip
            lines = [str(Counter(map(str, found))) for found in rows] + lines
        except OperationalError as error:
            lines.insert(0, f"The database does not answer: {error}")
        return "\n".join(lines)


def assert_nothing_lost_and_nothing_twice(machine: Machine, meetings: int) -> None:
    """Every meeting has one Event and one card, in the database and at the providers, and no row failed."""
    found = BookingEvent.objects.filter(kind="booked").values_list("invitee_id", flat=True)
    assert sorted(Counter(found).values()) == [1] * meetings
    assert not InboundWebhook.objects.exclude(state__in=[State.PROCESSED, State.DUPLICATE]).exists()
    assert set(Delivery.objects.values_list("state", flat=True)) <= {"delivered", "skipped"}
    for chains in (machine.salesforce_chains(), machine.slack_chains()):
        assert len(chains) == meetings, machine.report()
        assert len(set(chains)) == meetings
    assert _remembered("salesforce", "Event") == sorted(
        row["Id"] for row in machine.sandbox.salesforce_records("Event")
    )
    assert _remembered("slack", "message") == sorted(row["ts"] for row in machine.cards())


def _remembered(provider: str, object_type: str) -> list[str]:
    records = Connection.objects.get(provider=provider).remote_records
    return sorted(records.filter(object_type=object_type).values_list("remote_id", flat=True))


def _holds(condition: Callable[[], object]) -> bool:
    try:
        return bool(condition())
    except OperationalError:
        connection.close()  # the database is away, or SQLite is busy: look again
        return False


def _kill(child: Child) -> None:
    if child.process.poll() is None:
        os.killpg(child.process.pid, signal.SIGKILL)
    child.process.wait()
