"""A backfill over real HTTP: what it reads, what it costs, what it finds, and what it leaves alone."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bookings.models import (
    Booking,
    BookingEvent,
    EventType,
    Group,
    Host,
    Invitee,
    OrganizationMembership,
    RefetchRequest,
    RoutingForm,
)
from integrations import backfill, erasure
from integrations.models import BackfillRun, Delivery
from tests import granting
from tests.backfill.conftest import DAYS, asked, backfilled, connected, seen, worked
from tests.factories import (
    ConnectionFactory,
    RuleFactory,
    WebhookSubscriptionFactory,
)

pytestmark = pytest.mark.django_db

State = BackfillRun.State


def requests_of(sandbox, path=""):
    return sandbox.requests(service="calendly", path_contains=path)


def book(sandbox, *, email="ann@example.com", name="Ann Lee", **more):
    return sandbox.book(name=name, email=email, silently=True, **more)


@pytest.fixture
def seeded(sandbox):
    start = (timezone.now() - timedelta(days=DAYS - 1)).isoformat()
    return sandbox.seed_bookings(120, start=start, days=2 * DAYS - 2)


def test_everything_that_calendly_holds_is_mirrored(calendly, sandbox, seeded):
    run = backfilled(calendly)

    world = sandbox.calendly()
    assert (run.state, run.errors) == (State.DONE, 0)
    assert Booking.objects.count() == run.bookings == len(world["events"])
    assert Invitee.objects.count() == len(world["invitees"])
    assert set(Host.objects.values_list("email", flat=True)) == {
        user["email"] for user in world["users"]
    }
    assert OrganizationMembership.objects.count() == len(world["users"])
    assert EventType.objects.filter(source_updated_at=None).count() == 0
    assert (Group.objects.count(), RoutingForm.objects.count()) == (2, 1)
    assert Invitee.objects.no_show().count() == sum(bool(i["no_show"]) for i in world["invitees"])


def test_a_second_run_over_the_same_costs_a_request_a_page_and_writes_no_booking(
    calendly, sandbox, seeded
):
    backfilled(calendly)
    before, asked_before = seen(), len(requests_of(sandbox))

    with CaptureQueriesContext(database) as queries:
        run = backfilled(calendly)

    assert (run.changed, run.state) == (0, State.DONE)
    assert seen() == before
    assert len(requests_of(sandbox)) - asked_before == run.requests == run.pages + 1
    statements = [query["sql"] for query in queries]
    written = [s for s in statements if 'UPDATE "bookings_' in s or 'INSERT INTO "bookings_' in s]
    assert written == []


def test_what_changed_without_a_webhook_is_found(calendly, sandbox, seeded):
    backfilled(calendly)
    changed = sandbox.change_bookings(share=0.3)
    before = len(requests_of(sandbox, "/scheduled_events/"))

    run = backfilled(calendly)

    kinds = list(run.findings.values_list("kind", flat=True))
    assert kinds.count("canceled") == changed["canceled"]
    assert kinds.count("no_show") <= changed["no_show"]
    read = len(requests_of(sandbox, "/scheduled_events/")) - before
    assert 0 < read <= run.changed + changed["no_show"]
    world = {event["uri"]: event["status"] for event in sandbox.calendly()["events"]}
    assert dict(Booking.objects.values_list("uri", "status")) == world


def test_two_mirrors_end_equal_however_they_got_there(calendly, sandbox, seeded):
    backfilled(calendly)
    sandbox.change_bookings(share=0.5)
    backfilled(calendly, invitees="all")
    healed = seen()[:3]
    BookingEvent.objects.all().delete()
    Invitee.objects.update(chain=None, announced_at=None)
    for model in (Invitee, Booking):
        model.objects.all().delete()

    backfilled(calendly)

    assert seen()[:3] == healed


def test_a_booking_that_is_gone_is_marked_and_kept(calendly, sandbox):
    event = book(sandbox)["event"]
    backfilled(calendly)
    sandbox.erase_event(event)

    run = backfilled(calendly)

    booking = Booking.objects.get(uri=event)
    assert booking.vanished_at is not None
    assert (run.vanished, run.findings.get().kind) == (1, "vanished")
    assert backfilled(calendly).vanished == 0


def test_a_booking_that_was_moved_out_of_the_window_is_asked_for_by_name(calendly, sandbox):
    book(sandbox)
    backfilled(calendly)
    start = Booking.objects.get().start_at
    Booking.objects.update(start_at=start + timedelta(days=9), content_hash="older")

    run = backfilled(calendly, window_from=start + timedelta(days=5))

    booking = Booking.objects.get()
    assert (booking.start_at, booking.vanished_at) == (start, None)
    assert (run.bookings, run.changed, run.vanished) == (0, 1, 0)


def test_a_past_meeting_whose_invitees_were_never_read_is_read(calendly, sandbox):
    past = timezone.now() - timedelta(days=9)
    book(sandbox, start_time=past.isoformat(), now=(past - timedelta(days=1)).isoformat())
    backfilled(calendly)
    Booking.objects.update(invitees_read_at=None)
    before = len(requests_of(sandbox, "/invitees"))

    backfilled(calendly)
    backfilled(calendly)

    assert len(requests_of(sandbox, "/invitees")) - before == 1


def test_a_retired_event_type_is_kept_and_a_vanished_one_marked(calendly, sandbox):
    retired, erased = [
        book(sandbox, event_type=slug)["event"]
        for slug in [row["slug"] for row in sandbox.calendly()["event_types"]][:2]
    ]
    backfilled(calendly)
    types = [EventType.objects.get(bookings__uri=uri) for uri in (retired, erased)]
    sandbox.delete_event_type(types[0].uri)
    sandbox.erase_event_type(types[1].uri)

    backfilled(calendly)

    for row in types:
        row.refresh_from_db()
    assert types[0].deleted_at is not None
    assert types[0].vanished_at is None
    assert types[1].vanished_at is not None
    assert all(row.name for row in types)


def test_a_no_show_of_a_past_meeting_is_found_a_day_after_it(calendly, sandbox):
    start = timezone.now() - timedelta(hours=3)
    invitee = book(
        sandbox, start_time=start.isoformat(), now=(start - timedelta(days=1)).isoformat()
    )
    backfilled(calendly)
    sandbox.mark_no_show(invitee["uri"], silently=True)
    unseen = backfilled(calendly)

    Booking.objects.update(
        invitees_read_at=start - timedelta(days=2), start_at=start - timedelta(days=2), end_at=start - timedelta(days=1, hours=1)
    )  # fmt: skip
    run = backfilled(calendly)

    assert unseen.findings.count() == 0
    assert [row.kind for row in run.findings.all()] == ["no_show"]


def test_a_backfill_sends_nothing_unless_a_rule_asks_for_it(calendly, sandbox, settings):
    crm = ConnectionFactory.create(provider="salesforce", name="CRM")
    RuleFactory.create(name="live only", connection=crm, kinds=["booked"])
    RuleFactory.create(name="all", connection=crm, kinds=["booked"], acts_on_backfill=True)
    RuleFactory.create(
        name="young", connection=crm, kinds=["booked"], acts_on_backfill=True,
        backfill_max_age_days=7,
    )  # fmt: skip
    now = timezone.now()
    for age in (1, 30):
        made = (now - timedelta(days=age)).isoformat()
        book(sandbox, email=f"old{age}@example.com", now=made)

    backfilled(calendly)

    planned = Delivery.objects.values_list("rule__name", "event__invitee__email")
    assert sorted(planned) == [
        ("all", "old1@example.com"),
        ("all", "old30@example.com"),
        ("young", "old1@example.com"),
    ]


def test_the_report_tells_what_webhooks_missed_from_what_they_could_not_tell(calendly, sandbox):
    now = timezone.now()
    subscription = WebhookSubscriptionFactory.create(connection=calendly)
    type(subscription).objects.update(created_at=now - timedelta(days=3))
    ages = {"history": timedelta(days=9), "missed": timedelta(days=1), "fresh": timedelta(0)}
    for name, age in ages.items():
        book(sandbox, email=f"{name}@example.com", now=(now - age).isoformat())

    run = backfilled(calendly)

    judged = run.findings.values_list("verdict", "event__invitee__email")
    assert sorted(judged) == [(name, f"{name}@example.com") for name in sorted(ages)]
    assert run.missed == 1


def test_a_dry_run_says_what_would_change_and_changes_nothing(calendly, sandbox, seeded):
    backfilled(calendly)
    sandbox.change_bookings(share=0.3)
    sandbox.erase_event(Booking.objects.filter(status="active").latest("start_at").uri)
    before = seen()

    dry = backfilled(calendly, dry_run=True)

    assert seen() == before
    assert not BookingEvent.objects.filter(cause_id=dry.pk).exists()
    assert not Booking.objects.exclude(vanished_at=None).exists()
    wet = backfilled(calendly)
    assert (dry.changed, dry.vanished) == (wet.changed, wet.vanished) != (0, 0)
    assert sorted(dry.findings.values_list("kind", "booking_uri")) == sorted(
        wet.findings.values_list("kind", "booking_uri")
    )


def test_one_host_or_event_type_can_be_chosen(calendly, sandbox, seeded):
    backfilled(calendly)
    host, event_type = Host.objects.filter(bookings__isnull=False)[0], EventType.objects.filter(bookings__isnull=False)[0]  # fmt: skip

    of_host = backfilled(calendly, host=host)
    of_type = backfilled(calendly, event_type=event_type)

    assert of_host.bookings == host.bookings.count()
    assert of_type.bookings == event_type.bookings.count()
    assert (of_host.vanished, of_type.vanished, of_type.directory) == (0, 0, 0)


def test_one_bad_object_is_recorded_and_skipped(calendly, sandbox, seeded):
    uri = sandbox.calendly()["events"][5]["uri"]
    sandbox.add_fault(
        "calendly", "calendly_error", match={"path_contains": f"{uri.rsplit('/', 1)[-1]}/invitees"},
        status=400, title="Invalid Argument", message="What a number.",
    )  # fmt: skip

    run = backfilled(calendly)

    assert run.state == State.PARTIAL
    problem = run.problems.get()
    assert (problem.uri, "What a number" in problem.error) == (uri, True)
    assert Booking.objects.count() == len(sandbox.calendly()["events"]) - 1
    assert backfilled(calendly).state == State.DONE
    assert Booking.objects.filter(uri=uri).exists()


def test_an_outage_is_waited_for_and_costs_nothing_that_was_read(calendly, sandbox, seeded):
    run = asked(calendly)
    now = timezone.now()
    sandbox.add_fault("calendly", "error", status=503, match={"path_contains": "/invitees"})

    backfill.drain_run(run, until=now + timedelta(hours=1), clock=timezone.now)
    run.refresh_from_db()

    assert (run.state, run.attempts) == (State.WAITING, 1)
    assert "503" in run.error
    assert (run.not_before or now) > now
    BackfillRun.objects.update(not_before=None)
    assert worked(run).state == State.DONE


def test_a_used_up_budget_is_waited_for_without_counting_as_a_failure(calendly, sandbox, seeded):
    sandbox.settings(calendly_requests_per_minute=40)
    sandbox.reset_budgets()
    run, before, now = asked(calendly), len(requests_of(sandbox)), timezone.now()

    backfill.drain_run(run, until=now + timedelta(hours=1), clock=timezone.now)
    run.refresh_from_db()

    assert (run.state, run.attempts, run.error) == (State.WAITING, 0, "")
    assert (run.not_before or now) > now
    assert len(requests_of(sandbox)) - before == run.requests == 32
    assert Booking.objects.count() > 0
    sandbox.settings(calendly_requests_per_minute=100_000)


def test_a_refused_token_fails_the_run_and_pauses_the_connection(calendly, sandbox):
    calendly.set_secrets({"access_token": "revoked"})
    calendly.save()

    run = backfilled(calendly)

    calendly.refresh_from_db()
    assert (run.state, calendly.state) == (State.FAILED, "paused")
    assert "Connect" in run.hint


def test_what_the_plan_or_a_scope_refuses_is_left_out(calendly, sandbox):
    sandbox.add_fault(
        "calendly", "calendly_error", times=0, match={"path_contains": "/routing_form"}, status=403,
        title="Permission Denied", message="Please upgrade your Calendly account to Teams.",
    )  # fmt: skip
    book(sandbox)

    run = backfilled(calendly)

    calendly.refresh_from_db()
    assert (run.state, calendly.state) == (State.PARTIAL, "healthy")
    assert Booking.objects.count() == 1


def test_a_page_that_calendly_no_longer_knows_is_read_from_where_it_began(
    calendly, sandbox, seeded
):
    sandbox.add_fault(
        "calendly", "page_token_expired", match={"path_contains": "/scheduled_events"}
    )

    run = backfilled(calendly)

    assert (run.state, run.errors) == (State.DONE, 0)
    assert Booking.objects.count() == len(sandbox.calendly()["events"])


def test_an_ordinary_user_backfills_their_own(sandbox, db, seeded):
    own = connected("sandbox-calendly-pat-user")

    run = backfilled(own)

    assert run.state == State.DONE
    hosts = Booking.objects.values_list("hosts__uri", flat=True).distinct()
    assert own.profile["user_uri"] in set(hosts)
    assert Booking.objects.exclude(hosts__uri=own.profile["user_uri"]).count() == 0


def test_it_is_stopped_between_pages_and_resumed_where_it_was(calendly, sandbox, seeded):
    run = asked(calendly)
    backfill.drain_run(run, until=timezone.now(), clock=ticking(1))
    assert backfill.request_stop(run, now=timezone.now())

    stopped = worked(run)
    assert stopped.state == State.STOPPED
    assert not backfill.request_stop(run, now=timezone.now())
    assert backfill.resume(run, now=timezone.now())

    assert worked(run).state == State.DONE
    assert Booking.objects.count() == len(sandbox.calendly()["events"])


def ticking(seconds):
    """Return a clock that goes on a little with every look."""
    state = [timezone.now() - timedelta(seconds=5)]

    def look():
        state[0] += timedelta(seconds=seconds)
        return state[0]

    return look


def test_whoever_lost_the_lease_writes_nothing(calendly, sandbox, seeded):
    run = asked(calendly)
    looks: list[None] = []

    def clock():
        if BackfillRun.objects.filter(phase="bookings").exists():
            looks.append(None)
        if len(looks) == 30:  # in the middle of a page
            BackfillRun.objects.update(lease_token="00000000-0000-0000-0000-000000000000")
        return timezone.now()

    backfill.drain_run(run, until=timezone.now() + timedelta(hours=1), clock=clock)

    run.refresh_from_db()
    assert (run.state, run.bookings) == (State.RUNNING, 0)
    assert str(run.lease_token).startswith("0000")
    assert not Booking.objects.exists()
    assert not run.findings.exists()


def test_one_connection_has_one_run_at_a_time(calendly, sandbox):
    first, second = asked(calendly), asked(calendly)
    BackfillRun.objects.filter(pk=first.pk).update(
        state=State.RUNNING, lease_expires_at=timezone.now() + timedelta(minutes=1)
    )

    assert (
        backfill.drain_run(second, until=timezone.now() + timedelta(hours=1), clock=timezone.now)
        is None
    )


def test_a_paused_connection_is_not_read(calendly, sandbox):
    run = asked(calendly)
    type(calendly).objects.update(state="paused")

    assert worked(run).state == State.WAITING


def test_halves_of_a_reschedule_are_joined_across_pages(calendly, sandbox):
    invitee = book(sandbox)
    later = (timezone.now() + timedelta(days=40)).isoformat()
    sandbox.seed_bookings(230, days=30, rescheduled_share=0)
    sandbox.reschedule(invitee["uri"], start_time=later, silently=True)

    backfilled(calendly)

    first, second = Invitee.objects.filter(email=invitee["email"]).order_by("created_at")
    assert second.chain == first
    assert not RefetchRequest.objects.filter(reason__in=["predecessor", "successor"]).exists()


@pytest.mark.parametrize(
    ("hour", "expected"), [(1, 0), (3, 1)], ids=["before the hour", "after the hour"]
)
def test_the_nightly_run_starts_once_a_night(calendly, hour, expected):
    type(calendly).objects.update(created_at=datetime(2026, 11, 20, 12, tzinfo=UTC))
    yesterday = datetime(2026, 11, 20, 23, tzinfo=UTC)
    assert backfill.start_nightly(now=yesterday) == []

    now = datetime(2026, 11, 21, hour, tzinfo=UTC)
    started = [run for _ in range(3) for run in backfill.start_nightly(now=now)]

    assert len(started) == expected
    for run in started:
        assert run.window_to - run.window_from >= timedelta(days=395)


def test_every_connection_has_its_night_and_a_paused_one_once_it_goes_on(calendly):
    other = connected("sandbox-calendly-pat")
    lost = ConnectionFactory.create(provider="calendly", name="Never connected", secrets={})
    type(calendly).objects.update(created_at=datetime(2026, 11, 1, tzinfo=UTC))
    type(calendly).objects.filter(pk__in=[lost.pk]).update(sealed_secrets="")
    type(calendly).objects.filter(pk=other.pk).update(state="paused")

    night = backfill.start_nightly(now=datetime(2026, 11, 21, 2, 3, tzinfo=UTC))
    type(calendly).objects.filter(pk=other.pk).update(state="healthy")
    morning = backfill.start_nightly(now=datetime(2026, 11, 21, 9, tzinfo=UTC))
    BackfillRun.objects.update(state=State.DONE)
    days_later = backfill.start_nightly(now=datetime(2026, 11, 25, 1, tzinfo=UTC))

    assert [run.connection for run in night] == [calendly]
    assert [run.connection for run in morning] == [other]
    assert [run.connection for run in days_later] == [calendly, other]  # beat was away for days


def test_the_nightly_run_can_be_switched_off(calendly):
    type(calendly).objects.update(created_at=datetime(2026, 11, 1, tzinfo=UTC))
    calendly.settings = {"nightly_backfill": False}
    calendly.save()

    assert backfill.start_nightly(now=datetime(2026, 11, 21, 3, tzinfo=UTC)) == []


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"window_to": datetime(2020, 1, 1, tzinfo=UTC)}, "before it begins"),
        ({"window_from": datetime(1990, 1, 1, tzinfo=UTC)}, "fifteen years"),
    ],
)
def test_a_senseless_window_is_refused_in_words(calendly, kwargs, words):
    with pytest.raises(ValueError, match=words):
        asked(calendly, **kwargs)


def test_only_a_calendar_can_be_backfilled(db, sandbox):
    with pytest.raises(ValueError, match="not a calendar"):
        asked(ConnectionFactory.create(provider="slack"))


def test_progress_goes_from_nothing_to_all(calendly, sandbox, seeded):
    run = asked(calendly)
    assert backfill.progress(run, now=timezone.now()).fraction == 0.0

    done = worked(run)

    assert backfill.progress(done, now=timezone.now()).fraction == 1.0


@pytest.mark.parametrize(("trigger", "found"), [("nightly", []), ("gap", ["no_show"])])
def test_after_a_gap_old_no_shows_are_looked_for(calendly, sandbox, trigger, found):
    past = timezone.now() - timedelta(days=9)
    invitee = book(sandbox, start_time=past.isoformat(), now=(past - timedelta(days=1)).isoformat())
    backfilled(calendly)
    sandbox.mark_no_show(invitee["uri"], silently=True)

    run = backfilled(calendly, trigger=trigger)

    assert [row.kind for row in run.findings.all()] == found


def test_a_stop_is_heard_in_the_middle_of_a_page(calendly, sandbox, seeded):
    run = asked(calendly)
    looks: list[None] = []

    def clock():
        looks.append(None)
        if len(looks) == 60:
            backfill.request_stop(run, now=timezone.now())
        return timezone.now() + len(looks) * timedelta(seconds=1)

    backfill.drain_run(run, until=timezone.now() + timedelta(hours=1), clock=clock)

    run.refresh_from_db()
    assert (run.state, run.bookings) == (State.STOPPED, 0)
    assert Booking.objects.count() > 0
    assert backfill.resume(run, now=timezone.now())
    assert worked(run).state == State.DONE


def test_progress_counts_the_near_days_for_more(calendly):
    now = timezone.now()
    run = asked(calendly, window_from=now - timedelta(days=30), window_to=now + timedelta(days=365))
    run.phase, run.checkpoint = "bookings", {"boundary": now.isoformat()}

    fraction = backfill.progress(run, now=now).fraction

    assert fraction is not None
    assert 0.3 < fraction < 0.6


def test_a_connection_that_was_never_introduced_is_asked_who_it_is(calendly, sandbox):
    type(calendly).objects.update(profile={})
    calendly.refresh_from_db()
    book(sandbox)

    run = backfilled(calendly)

    calendly.refresh_from_db()
    assert (run.state, Booking.objects.count()) == (State.DONE, 1)
    assert calendly.profile["role"] == "owner"


def test_an_oauth_token_that_ends_in_the_middle_is_renewed_and_the_run_goes_on(
    calendly, sandbox, seeded, settings, server
):
    granting.point_to(server, settings)
    granted = granting.connect()
    sandbox.add_fault("calendly", "token_expired", match={"query_contains": "page_token="})

    run = backfilled(granted)

    assert (run.state, run.errors) == (State.DONE, 0)
    assert Booking.objects.count() == len(sandbox.calendly()["events"])


def test_an_erased_person_is_not_read_again_night_after_night(calendly, sandbox):
    invitee = book(sandbox, email="gone@example.com", guests=["gone@example.com", "b@example.com"])
    backfilled(calendly)
    request = erasure.request("gone@example.com", requested_by="test", now=timezone.now())
    assert erasure.carry_out(request, now=timezone.now())
    backfilled(calendly)
    before = len(requests_of(sandbox, "/invitees"))

    run = backfilled(calendly)

    assert (run.changed, len(requests_of(sandbox, "/invitees"))) == (0, before)
    assert Invitee.objects.get(uri=invitee["uri"]).email == ""
    assert Booking.objects.get().guests == ["b@example.com"]
