"""`manage.py backfill`, as a person types it."""

import io
import re
import signal
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from bookings.models import Booking, Host
from integrations.models import BackfillRun
from tests.backfill.conftest import asked
from tests.factories import ConnectionFactory, HostFactory

pytestmark = pytest.mark.django_db


def typed(*arguments: str) -> tuple[str, str]:
    """Run the command; return what it said, and how it went on."""
    said, went_on = io.StringIO(), io.StringIO()
    call_command("backfill", *arguments, stdout=said, stderr=went_on)
    return said.getvalue(), went_on.getvalue()


@pytest.fixture
def seeded(sandbox):
    return sandbox.seed_bookings(40)


def test_it_reads_the_usual_window_of_the_only_connection(calendly, seeded):
    said, went_on = typed("--from", "2020-01-01")

    run = BackfillRun.objects.get()
    assert f"Backfill #{run.pk} of {calendly}" in said
    assert re.search(rf"Done after .* {run.bookings} bookings, {run.changed} changed", said)
    assert re.search(r"\d+  booked, older than the subscription", said)
    assert went_on.count("bookings, ") >= 1
    assert run.bookings == Booking.objects.count() > 0


def test_a_dry_run_says_what_would_change(calendly, seeded):
    said, _ = typed("--dry-run")

    assert "dry run" in said
    assert "booked, older than the subscription" in said
    assert Booking.objects.count() == 0


def test_it_exits_with_1_and_says_what_was_skipped(calendly, sandbox):
    sandbox.book(name="Ann Lee", email="ann@example.com", silently=True)
    sandbox.add_fault("calendly", "calendly_error", match={"path_contains": "/invitees"})

    said = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("backfill", stdout=said, stderr=io.StringIO())

    assert ended.value.code == 1
    assert "Partial" in said.getvalue()
    assert re.search(r"Skipped https://api.calendly.com/scheduled_events/\S+: Calendly answered 400", said.getvalue())  # fmt: skip


def test_days_without_a_zone_are_utc(calendly):
    typed("--from", "2026-11-22", "--to", "2026-11-23T02:00+02:00")

    run = BackfillRun.objects.get()
    assert (run.window_from, run.window_to) == (
        datetime(2026, 11, 22, tzinfo=UTC),
        datetime(2026, 11, 23, tzinfo=UTC),
    )


def test_a_run_behind_another_says_whom_it_waits_for_and_can_be_stopped(calendly):
    other = asked(calendly)
    BackfillRun.objects.update(
        state="running", lease_expires_at=timezone.now() + timedelta(hours=1)
    )
    went_on = Interrupting()

    with pytest.raises(SystemExit):
        call_command("backfill", stdout=io.StringIO(), stderr=went_on)

    assert f"waiting: backfill #{other.pk} is running" in went_on.getvalue()
    assert BackfillRun.objects.latest("id").state == "stopped"


class Interrupting(io.StringIO):
    """Press Ctrl-C once, when the command has said how far it is."""

    def write(self, text: str) -> int:
        """Take the text."""
        if "pages" in text and "pages" not in self.getvalue():
            signal.raise_signal(signal.SIGINT)
        return super().write(text)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--connection", "Nowhere"], "There are: “Calendar”"),
        (["--host", "nobody@example.com"], "No host “nobody@example.com” is known"),
        (["--event-type", "Dance"], "No such event type is known. There are: none yet"),
        (["--from", "2027-01-01", "--to", "2026-01-01"], "ends before it begins"),
        (["--from", "soon"], "“soon” is no date like 2026-11-22"),
        (["--resume", "4711"], "There is no backfill #4711"),
        (["--resume", "0"], "There is no backfill #0"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(calendly, arguments, words):
    type(calendly).objects.update(name="Calendar")

    with pytest.raises(CommandError, match=words):
        typed(*arguments)

    assert not BackfillRun.objects.exists()


def test_one_of_several_connections_has_to_be_named(calendly):
    ConnectionFactory.create(provider="calendly", name="Other")

    with pytest.raises(CommandError, match="Name one connection"):
        typed()


def test_an_account_that_is_not_connected_is_not_waited_for(calendly):
    other = ConnectionFactory.create(provider="calendly", name="Other", secrets={})

    with pytest.raises(CommandError, match="“Other” is not connected: connect the account"):
        typed("--connection", other.name)

    assert not BackfillRun.objects.exists()


def test_a_host_can_be_named_by_address(calendly, seeded):
    typed()
    host = Host.objects.filter(bookings__isnull=False)[0]

    said, _ = typed("--host", host.email.upper())

    assert f"{host.bookings.count()} bookings" in said
    with pytest.raises(CommandError, match=f"is known. There are: .*{host.email}"):
        typed("--host", HostFactory.build().email)


def test_what_has_ended_well_cannot_be_resumed(calendly, seeded):
    typed()

    with pytest.raises(CommandError, match="has ended: done"):
        typed("--resume", str(BackfillRun.objects.get().pk))
