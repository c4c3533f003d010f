"""A backfill among broken objects, outages, other people's stops and dead workers: it ends, and says what it left out."""

from datetime import timedelta
from typing import Any

import pytest
import redis
from django.apps import apps
from django.db import connection as database
from django.utils import timezone

from bookings.models import Booking, EventType, Host
from integrations import backfill
from integrations.models import BackfillFinding, BackfillProblem, BackfillRun
from tests.backfill.conftest import asked, backfilled
from tests.factories import ConnectionFactory, RuleFactory

pytestmark = pytest.mark.django_db

State = BackfillRun.State


@pytest.fixture
def seeded(sandbox):
    return sandbox.seed_bookings(60, days=30, rescheduled_share=0)


def events_of(sandbox):
    """Return the sandbox's meetings as a backfill lists them."""
    return sorted(sandbox.calendly()["events"], key=lambda event: event["start_time"])


def invitees_path(event):
    return f"{event['uri'].rsplit('/', 1)[-1]}/invitees"


def waited_out(run, *, at_most=40):
    """Work on a run, and have every wait over at once; return how often it waited."""
    for waits in range(at_most):
        until = timezone.now() + timedelta(hours=1)
        backfill.drain_run(run, until=until, clock=timezone.now)
        run.refresh_from_db()
        if run.state not in BackfillRun.UNFINISHED:
            return waits
        BackfillRun.objects.filter(pk=run.pk).update(not_before=None)
    raise AssertionError(f"It does not end: {run.error}")


def refusing(table, name):
    """Have the database refuse rows of this name, as it does what nobody has thought of."""
    with database.cursor() as cursor:
        if database.vendor == "postgresql":
            cursor.execute(f"ALTER TABLE {table} ADD CHECK (name <> '{name}')")
        else:
            for moment in ("INSERT", "UPDATE"):
                cursor.execute(
                    f"CREATE TRIGGER refuse_{moment} BEFORE {moment} ON {table} WHEN NEW.name = '{name}' "
                    "BEGIN SELECT RAISE(ABORT, 'refused'); END"
                )


def test_a_booking_that_fails_again_and_again_is_left_out_and_the_rest_is_read(
    calendly, sandbox, seeded
):
    bad = events_of(sandbox)[7]
    sandbox.add_fault("calendly", "error", times=0, match={"path_contains": invitees_path(bad)})
    run = asked(calendly)

    waits = waited_out(run)

    assert (run.state, run.errors, waits) == (State.PARTIAL, 1, 3)
    assert run.problems.get().uri == bad["uri"]
    assert Booking.objects.count() == len(events_of(sandbox)) - 1


def test_an_object_asked_for_by_name_that_fails_again_and_again_is_left_out(
    calendly, sandbox, seeded
):
    backfilled(calendly)
    types = list(EventType.objects.filter(bookings__isnull=False).distinct()[:2])
    for row in types:
        sandbox.delete_event_type(row.uri)
    tail = types[0].uri.rsplit("/", 1)[-1]
    sandbox.add_fault("calendly", "error", times=0, match={"path_contains": f"/event_types/{tail}"})
    run = asked(calendly)

    waits = waited_out(run)

    assert (run.state, waits) == (State.PARTIAL, 3)
    assert [problem.uri for problem in run.problems.all()] == [types[0].uri]
    types[1].refresh_from_db()
    assert types[1].deleted_at is not None


def test_when_no_invitee_can_be_read_for_long_the_run_fails_and_can_be_resumed(
    calendly, sandbox, seeded
):
    sandbox.add_fault("calendly", "error", times=0, match={"path_contains": "/invitees"})
    run = asked(calendly)

    waits = waited_out(run)

    assert (run.state, waits) == (State.FAILED, 5)
    assert "500" in run.error
    sandbox.clear_faults()
    assert backfill.resume(run, now=timezone.now())
    waited_out(run)
    assert Booking.objects.count() + run.errors == len(events_of(sandbox))


def test_a_list_that_fails_thrice_is_waited_for(calendly, sandbox, seeded):
    sandbox.add_fault("calendly", "error", times=3, match={"query_contains": "min_start_time"})
    run = asked(calendly)

    waits = waited_out(run)

    assert (run.state, run.errors, waits) == (State.DONE, 0, 3)
    assert Booking.objects.count() == len(events_of(sandbox))


def test_what_was_left_out_before_an_interruption_is_recorded_once(calendly, sandbox, seeded):
    bad, flaky = events_of(sandbox)[3], events_of(sandbox)[9]
    sandbox.add_fault(
        "calendly", "calendly_error", times=0, match={"path_contains": invitees_path(bad)}
    )
    sandbox.add_fault("calendly", "error", times=2, match={"path_contains": invitees_path(flaky)})
    run = asked(calendly)

    waits = waited_out(run)

    assert (run.state, run.errors, waits) == (State.PARTIAL, 1, 2)
    assert run.problems.get().uri == bad["uri"]


def test_a_booking_without_a_start_is_recorded_and_its_neighbours_are_read(
    calendly, sandbox, seeded
):
    third = events_of(sandbox)[3]["uri"]
    sandbox.add_fault(
        "calendly", "broken_object", key="start_time", index=3, match={"query_contains": "min_start_time"}
    )  # fmt: skip

    run = backfilled(calendly)

    assert (run.state, run.problems.get().uri) == (State.PARTIAL, third)
    assert Booking.objects.count() == len(events_of(sandbox)) - 1


def test_a_booking_whose_invitees_are_gone_is_recorded_and_marked_once_it_leaves_the_list(
    calendly, sandbox, seeded
):
    backfilled(calendly)
    event = next(row for row in events_of(sandbox) if row["status"] == "active")
    sandbox.edit_event(event["uri"], {"location": {"kind": "physical", "location": "Room 5"}})
    sandbox.add_fault(
        "calendly", "calendly_error", status=404, match={"path_contains": invitees_path(event)}
    )

    listed = backfilled(calendly)
    sandbox.erase_event(event["uri"])
    gone = backfilled(calendly)

    assert (listed.state, listed.problems.get().uri) == (State.PARTIAL, event["uri"])
    assert (gone.state, gone.vanished) == (State.DONE, 1)
    assert Booking.objects.get(uri=event["uri"]).vanished_at is not None


@pytest.mark.parametrize("known", [False, True], ids=["new", "known"])
def test_a_booking_that_the_database_refuses_leaves_out_itself_alone(calendly, sandbox, known):
    refusing("bookings_booking", "Cursed")
    good, bad = sandbox.book(name="Ann", email="a@example.com")["event"], sandbox.book(name="Bo", email="b@example.com")["event"]  # fmt: skip
    if known:
        backfilled(calendly)
        sandbox.edit_event(good, {"name": "Blessed"})
    sandbox.edit_event(bad, {"name": "Cursed"})

    run = backfilled(calendly)

    assert (run.state, run.errors, run.problems.get().uri) == (State.PARTIAL, 1, bad)
    assert Booking.objects.filter(uri=good).exists()
    assert Booking.objects.filter(uri=bad).exists() is known
    assert not known or Booking.objects.get(uri=good).name == "Blessed"


def test_an_event_type_that_the_database_refuses_does_not_keep_bookings_away(calendly, sandbox):
    bad = sandbox.calendly()["event_types"][0]
    refusing("bookings_eventtype", "Cursed")
    sandbox.edit_event_type(bad["uri"], {"name": "Cursed"}, silently=True)
    other = sandbox.calendly()["event_types"][1]
    sandbox.book(name="Ann", email="a@example.com", event_type=other["slug"])

    run = backfilled(calendly)

    assert (run.state, [row.uri for row in run.problems.all()]) == (State.PARTIAL, [bad["uri"]])
    assert Booking.objects.count() == 1
    assert EventType.objects.filter(uri=other["uri"]).exists()


def test_an_empty_account_is_read_in_a_request_a_list(sandbox, calendly):
    run = backfilled(calendly)

    assert (run.state, run.bookings, run.changed) == (State.DONE, 0, 0)


@pytest.mark.parametrize("interrupted", ["by the budget", "by a stop"])
def test_an_interrupted_dry_run_ends_and_counts_nothing_twice(
    calendly, sandbox, seeded, settings, interrupted
):
    whole = backfilled(calendly, dry_run=True)
    run = asked(calendly, dry_run=True)
    if interrupted == "by the budget":
        sandbox.settings(calendly_requests_per_minute=30)
        for _ in range(10):
            a_minute_later(sandbox, settings)
            backfill.drain_run(run, until=timezone.now() + timedelta(hours=1), clock=timezone.now)
            BackfillRun.objects.filter(pk=run.pk).update(not_before=None)
        run.refresh_from_db()
    else:
        backfill.drain_run(
            run, until=timezone.now() + timedelta(hours=1), clock=stopping(run, at=60)
        )
        run.refresh_from_db()
        assert (run.state, run.bookings) == (State.STOPPED, 0)
        assert backfill.resume(run, now=timezone.now())
        waited_out(run)

    assert run.state == State.DONE
    assert (run.bookings, run.changed) == (whole.bookings, whole.changed)
    assert found_by(run) == found_by(whole)


def a_minute_later(sandbox, settings):
    """Have the request budget be full again, there and here."""
    sandbox.reset_budgets()
    client = redis.Redis.from_url(settings.REDIS_URL)
    client.delete(*client.keys("calsync:budget:*"), "calsync:budget:none")


def stopping(run, *, at):
    """Return a clock that goes on a second with every look, and at one of them somebody asks to stop."""
    looks: list[None] = []

    def look():
        looks.append(None)
        if len(looks) == at:
            backfill.request_stop(run, now=timezone.now())
        return timezone.now() + len(looks) * timedelta(seconds=1)

    return look


def found_by(run):
    return sorted(run.findings.values_list("kind", "booking_uri"))


def test_a_dry_run_writes_to_no_table_but_its_own(calendly, sandbox, seeded):
    RuleFactory.create(
        connection=ConnectionFactory.create(provider="salesforce", name="CRM"),
        kinds=["booked", "rescheduled", "canceled", "updated"], acts_on_backfill=True,
    )  # fmt: skip
    backfilled(calendly)
    sandbox.change_bookings(share=0.5)
    sandbox.seed_bookings(30, days=30, seed=7)
    sandbox.erase_event(events_of(sandbox)[0]["uri"])
    sandbox.remove_member(sandbox.calendly()["users"][-1]["uri"])
    before = everything()

    run = backfilled(calendly, dry_run=True)

    assert min(run.changed, run.vanished, run.findings.count()) > 0
    assert everything() == before


def everything() -> dict[str, list[Any]]:
    """Return every row of every table but those that tell of runs."""
    own = {BackfillRun, BackfillFinding, BackfillProblem}
    return {
        model.__name__: list(model._base_manager.order_by("pk").values())
        for model in apps.get_models(include_auto_created=True)
        if model not in own and model._meta.managed
    }


def test_who_watches_sees_a_page_grow_and_stops_it_in_the_middle(calendly, sandbox, seeded):
    run, sights = asked(calendly), []
    looks: list[None] = []

    def clock():
        looks.append(None)
        return timezone.now() + len(looks) * timedelta(seconds=1)

    def watch(seen):
        sights.append((seen.phase, seen.requests))
        return len([phase for phase, _ in sights if phase == "bookings"]) == 4

    backfill.drain_run(run, until=clock() + timedelta(hours=1), clock=clock, watch=watch)

    run.refresh_from_db()
    assert (run.state, run.bookings) == (State.STOPPED, 0)
    assert 0 < Booking.objects.count() < len(events_of(sandbox))
    counts = [requests for phase, requests in sights if phase == "bookings"]
    assert counts == sorted(set(counts))
    assert backfill.resume(run, now=timezone.now())
    waited_out(run)
    assert run.state == State.DONE


def test_a_run_that_waits_for_the_budget_is_stopped_at_once(calendly, sandbox, seeded, settings):
    sandbox.settings(calendly_requests_per_minute=30)
    a_minute_later(sandbox, settings)
    run = asked(calendly)
    backfill.drain_run(run, until=timezone.now() + timedelta(hours=1), clock=stopping_late(run))
    run.refresh_from_db()
    sandbox.settings(calendly_requests_per_minute=100_000)
    a_minute_later(sandbox, settings)

    assert (run.state, run.not_before) == (State.STOPPED, None)
    assert run.finished_at is not None
    assert backfill.resume(run, now=timezone.now())
    waited_out(run)
    assert run.state == State.DONE


def stopping_late(run):
    """Return a clock at which somebody asks to stop while the run reads the invitees of its page."""
    looks: list[None] = []

    def look():
        if BackfillRun.objects.filter(pk=run.pk, phase="bookings").exists():
            looks.append(None)
        if len(looks) == 5:
            assert backfill.request_stop(run, now=timezone.now())
        return timezone.now()

    return look


def test_a_dead_workers_run_is_taken_over_before_an_older_one_that_waited(calendly, sandbox):
    older, newer = asked(calendly), asked(calendly)
    BackfillRun.objects.filter(pk=newer.pk).update(
        state=State.RUNNING, lease_expires_at=timezone.now() - timedelta(minutes=1)
    )

    backfill.drain(calendly.pk, until=timezone.now() + timedelta(hours=1), clock=timezone.now)

    for run in (older, newer):
        run.refresh_from_db()
        assert run.state == State.DONE


def test_what_one_run_may_not_read_pauses_nobody(calendly, sandbox, seeded):
    sandbox.add_fault(
        "calendly", "calendly_error", status=403, title="Permission Denied",
        message="You do not have permission to access this resource.", match={"query_contains": "min_start_time"},
    )  # fmt: skip

    run = backfilled(calendly)

    calendly.refresh_from_db()
    assert (run.state, calendly.state) == (State.FAILED, "healthy")
    assert "owner or admin" in run.hint


def test_the_bookings_of_a_removed_member_stay_and_are_still_read(calendly, sandbox, seeded):
    backfilled(calendly)
    host = Host.objects.filter(bookings__status="active").exclude(memberships__role="owner")[0]
    sandbox.remove_member(host.uri)
    sandbox.change_bookings(share=1)

    run = backfilled(calendly)

    assert run.state == State.DONE
    assert host.memberships.get().vanished_at is not None
    world = {event["uri"]: event["status"] for event in events_of(sandbox)}
    assert dict(Booking.objects.values_list("uri", "status")) == world


def test_a_run_over_a_removed_member_fails_in_words_and_pauses_nobody(calendly, sandbox, seeded):
    backfilled(calendly)
    host = Host.objects.filter(bookings__isnull=False).exclude(memberships__role="owner")[0]
    sandbox.remove_member(host.uri)

    run = backfilled(calendly, host=host)

    calendly.refresh_from_db()
    assert (run.state, calendly.state) == (State.FAILED, "healthy")
    assert "left the organization" in run.hint


def test_bookings_of_one_start_are_all_kept_over_the_edges_of_pages(calendly, sandbox):
    start = (timezone.now() + timedelta(days=3)).isoformat()
    types = [row for row in sandbox.calendly()["event_types"] if row["kind"] == "solo"]
    for number in range(230):
        sandbox.book(
            name="Ann", email=f"a{number}@example.com", event_type=types[0]["slug"], start_time=start, silently=True,
        )  # fmt: skip
    first = backfilled(calendly)
    sandbox.add_fault(
        "calendly", "page_token_expired", match={"path_contains": "/scheduled_events"}
    )

    second = backfilled(calendly)

    assert (first.bookings, Booking.objects.count()) == (230, 230)
    assert (second.changed, second.vanished, second.state) == (0, 0, State.DONE)
    assert second.requests <= first.requests


def test_a_booking_made_before_the_place_reached_is_met_next_time_and_none_is_lost(
    calendly, sandbox
):
    sandbox.seed_bookings(230, days=40, rescheduled_share=0)
    run = asked(calendly)
    while run.pages < 1 or run.phase != "bookings":
        backfill.drain_run(run, until=timezone.now() + timedelta(seconds=1), clock=stepping())
        run.refresh_from_db()
    early = events_of(sandbox)[0]["start_time"]
    known = {row["uri"] for row in sandbox.calendly()["events"]}
    sandbox.book(name="Ann", email="new@example.com", start_time=early, now=early, silently=True)

    waited_out(run)
    assert set(Booking.objects.values_list("uri", flat=True)) == known
    backfilled(calendly)

    assert Booking.objects.count() == len(known) + 1


def stepping():
    """Return a clock whose time is up after one step."""
    looks: list[None] = []

    def look():
        looks.append(None)
        return timezone.now() + (timedelta(0) if len(looks) <= 6 else timedelta(hours=1))

    return look
