import re
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from integrations.models import BackfillProblem, BackfillRun
from tests.factories import (
    NOW,
    BackfillFindingFactory,
    BackfillRunFactory,
    BookingEventFactory,
    ConnectionFactory,
    HostFactory,
    InviteeFactory,
    StaffUserFactory,
)

pytestmark = pytest.mark.django_db

ADD = "admin:integrations_backfillrun_add"
LIST = "admin:integrations_backfillrun_changelist"
EVIL = "<script>alert(1)</script>"


def _page(run: BackfillRun) -> str:
    return reverse("admin:integrations_backfillrun_change", args=[run.pk])


def _progress(run: BackfillRun) -> str:
    return reverse("admin:integrations_backfillrun_progress", args=[run.pk])


def _operate(run: BackfillRun, name: str) -> str:
    return reverse("admin:integrations_backfillrun_operate", args=[run.pk, name])


def _html(client: Client, url: str, **query: str) -> str:
    response = client.get(url, query)
    assert response.status_code == 200
    return response.content.decode()


def _form(connection, **given: object) -> dict[str, object]:
    days = {"first_day": "2026-11-01", "last_day": "2026-11-30"}
    empty = {"host": "", "event_type": "", "invitees": "changed"}
    return {"connection": connection.pk, **days, **empty, **given}


def _errors(response) -> dict[str, list[str]]:
    assert response.status_code == 200
    return dict(response.context["adminform"].form.errors.items())


@pytest.fixture
def calendly():
    return ConnectionFactory.create(provider="calendly", name="Calendly")


def test_a_backfill_is_started_for_whole_days_and_logged(operator, calendly):
    host = HostFactory.create(account=calendly.account)

    response = operator.post(
        reverse(ADD), _form(calendly, host=host.pk, invitees="past", dry_run="on")
    )

    run = BackfillRun.objects.get()
    assert response.url == _page(run)
    assert (run.window_from, run.window_to) == (
        datetime(2026, 11, 1, tzinfo=UTC),
        datetime(2026, 12, 1, tzinfo=UTC),
    )
    assert (run.host, run.dry_run, run.trigger) == (host, True, BackfillRun.Trigger.OPERATOR)
    assert run.invitees == BackfillRun.Invitees.PAST
    assert run.requested_by.startswith("staff")
    assert LogEntry.objects.get().object_id == str(run.pk)


def test_one_day_is_a_window(operator, calendly):
    operator.post(reverse(ADD), _form(calendly, first_day="2026-11-01", last_day="2026-11-01"))

    run = BackfillRun.objects.get()
    assert run.window_to - run.window_from == timedelta(days=1)


@pytest.mark.parametrize(
    ("given", "field", "told"),
    [
        ({"last_day": "2026-10-31"}, "last_day", "The last day is before the first day."),
        ({"first_day": "soon"}, "first_day", "Enter a valid date."),
        ({"first_day": ""}, "first_day", "This field is required."),
        ({"first_day": "1990-01-01"}, "__all__", "longer than fifteen years"),
    ],
)
def test_a_window_that_makes_no_sense_is_explained(operator, calendly, given, field, told):
    response = operator.post(reverse(ADD), _form(calendly, **given))

    assert told in _errors(response)[field][0]
    assert not BackfillRun.objects.exists()


def test_only_calendars_can_be_read(operator, calendly):
    slack = ConnectionFactory.create(provider="slack", name="Slack of sales")

    html = _html(operator, reverse(ADD))
    response = operator.post(reverse(ADD), _form(slack))

    assert "Slack of sales" not in html
    assert _errors(response)["connection"]


def test_the_form_offers_the_days_that_the_connection_usually_reads(operator):
    ConnectionFactory.create(provider="calendly", name="Another")
    mine = ConnectionFactory.create(
        provider="calendly",
        name="Mine",
        settings={"backfill_days_back": 3, "backfill_days_ahead": 10},
    )

    response = operator.get(reverse(ADD), {"connection": mine.pk})

    initial = response.context["adminform"].form.initial
    today = timezone.now().date()
    assert str(initial["connection"]) == str(mine.pk)
    assert initial["first_day"] == today - timedelta(days=3)
    assert initial["last_day"] == today + timedelta(days=10)


@pytest.mark.parametrize("asked", ["", "nonsense", "999999"])
def test_the_form_is_shown_whatever_connection_is_asked_for(operator, asked):
    assert operator.get(reverse(ADD), {"connection": asked}).status_code == 200


def test_who_may_not_start_is_refused(viewer, calendly):
    assert viewer.get(reverse(ADD)).status_code == 403
    assert viewer.post(reverse(ADD), _form(calendly)).status_code == 403
    assert not BackfillRun.objects.exists()


def test_who_may_stop_need_not_be_allowed_to_start(calendly):
    client = Client()
    client.force_login(
        StaffUserFactory.create(
            permissions=["integrations.view_backfillrun", "integrations.change_backfillrun"]
        )
    )
    run = BackfillRunFactory.create(connection=calendly)

    assert client.get(reverse(ADD)).status_code == 403
    assert client.post(_operate(run, "stop")).status_code == 302


def test_a_running_backfill_is_asked_to_stop_and_that_is_logged(operator):
    run = BackfillRunFactory.create(state="running", started_at=NOW)

    operator.post(_operate(run, "stop"))

    run.refresh_from_db()
    assert run.stop_requested_at is not None
    assert LogEntry.objects.get().get_change_message() == "Asked to stop."


def test_a_stopped_backfill_is_resumed(operator):
    run = BackfillRunFactory.create(ended=True, state="stopped", stop_requested_at=NOW)

    operator.post(_operate(run, "resume"))

    run.refresh_from_db()
    assert (run.state, run.stop_requested_at) == (BackfillRun.State.WAITING, None)


@pytest.mark.parametrize(
    ("name", "told"), [("stop", "ended already"), ("resume", "nothing to go on")]
)
def test_what_has_ended_is_neither_stopped_nor_resumed(operator, name, told):
    run = BackfillRunFactory.create(ended=True)

    html = operator.post(_operate(run, name), follow=True).content.decode()

    assert told in html
    assert LogEntry.objects.count() == 0


@pytest.mark.parametrize("name", ["stop", "resume"])
def test_who_may_only_look_neither_stops_nor_resumes(viewer, name):
    run = BackfillRunFactory.create(state="running" if name == "stop" else "stopped")

    assert _operate(run, name) not in _html(viewer, _page(run))
    assert viewer.post(_operate(run, name)).status_code == 403
    assert viewer.get(_operate(run, name)).status_code == 405


@pytest.mark.parametrize(
    ("state", "offered"),
    [("waiting", {"stop"}), ("running", {"stop"}), ("stopped", {"resume"}), ("failed", {"resume"}),
     ("done", set()), ("partial", set())],
)  # fmt: skip
def test_what_can_be_done_depends_on_the_state(operator, state, offered):
    run = BackfillRunFactory.create(state=state)

    html = _html(operator, _page(run))

    assert {name for name in ("stop", "resume") if _operate(run, name) in html} == offered


def test_a_running_backfill_tells_how_far_it_is(viewer):
    run = BackfillRunFactory.create(
        state="running", phase="bookings", started_at=timezone.now(), bookings=1234, missed=56,
        checkpoint={"boundary": NOW.isoformat()},
    )  # fmt: skip

    html = _html(viewer, _progress(run))

    bar = re.search(r'role="progressbar"[^>]*aria-valuenow="(\d+)"', html)
    assert bar is not None
    assert 5 <= int(bar[1]) < 95
    assert "data-goes-on" in html
    assert "1234" in html
    assert "56" in html


def test_a_backfill_that_ended_no_longer_asks_to_be_refreshed(viewer):
    run = BackfillRunFactory.create(ended=True)

    html = _html(viewer, _progress(run))

    assert "data-goes-on" not in html
    assert 'aria-valuenow="100"' in html
    assert "took 1 min 30 s" in html


def test_a_backfill_that_waits_says_what_for(viewer):
    run = BackfillRunFactory.create()
    budget = BackfillRunFactory.create(not_before=timezone.now() + timedelta(minutes=1))
    paused = BackfillRunFactory.create(connection__state="paused")

    assert "Waiting for a free worker." in _html(viewer, _progress(run))
    assert "kept for live traffic" in _html(viewer, _progress(budget))
    assert "until the connection is resumed" in _html(viewer, _progress(paused))


def test_progress_is_told_only_to_who_may_look(client, calendly):
    run = BackfillRunFactory.create(connection=calendly)
    stranger = Client()
    stranger.force_login(StaffUserFactory.create())

    assert client.get(_progress(run)).status_code == 302
    assert stranger.get(_progress(run)).status_code == 403


def test_the_progress_of_no_run_is_not_found(viewer):
    assert (
        viewer.get(reverse("admin:integrations_backfillrun_progress", args=[1])).status_code == 404
    )


def test_a_failed_backfill_says_why_and_what_to_do(viewer):
    run = BackfillRunFactory.create(
        ended=True, state="failed", error="Refused.", hint="Connect again."
    )

    html = _html(viewer, _page(run))

    assert "Refused." in html
    assert "Connect again." in html


def test_findings_are_grouped_by_why_no_webhook_told_of_them_and_by_kind(viewer):
    run = BackfillRunFactory.create(ended=True)
    for kind, verdict, count in [("canceled", "missed", 3), ("vanished", "missed", 1), ("updated", "unannounced", 2)]:  # fmt: skip
        BackfillFindingFactory.create_batch(count, run=run, kind=kind, verdict=verdict)

    groups = viewer.get(_page(run)).context["report"].groups

    told = [(g.label, g.count, [(k.label, k.count) for k in g.kinds]) for g in groups]
    assert told == [
        ("Missed by webhook", 4, [("canceled", 3), ("gone at the provider", 1)]),
        ("Never announced", 2, [("updated", 2)]),
    ]


def test_findings_link_to_their_bookings_and_say_what_changed(viewer):
    invitee = InviteeFactory.create(name="Maria Lopez")
    event = BookingEventFactory.create(
        invitee=invitee, kind="updated", cause="backfill", changes={"join_url": ["", "https://zoom.example.com/j/1"]},
    )  # fmt: skip
    finding = BackfillFindingFactory.create(
        event=event, kind="updated", booking_uri=invitee.booking.uri
    )

    html = _html(viewer, _page(finding.run))

    assert reverse("admin:bookings_booking_change", args=[invitee.booking_id]) in html
    assert "Maria Lopez" in html
    assert "https://zoom.example.com/j/1" in html


def test_findings_are_narrowed_to_a_kind_and_paged(viewer):
    run = BackfillRunFactory.create(ended=True)
    BackfillFindingFactory.create_batch(30, run=run, kind="canceled")
    BackfillFindingFactory.create_batch(4, run=run, kind="booked")

    def rows(**query: str) -> tuple[int, set[str]]:
        found = viewer.get(_page(run), query).context["report"].rows
        return len(found), {row.kind for row in found}

    assert rows(verdict="missed", kind="canceled") == (25, {"canceled"})
    assert rows(verdict="missed", kind="canceled", page="2") == (5, {"canceled"})
    assert rows(verdict="missed", kind="booked", page="99") == (4, {"booked"})
    assert rows(verdict="<b>", page="x") == (0, set())


def test_a_page_of_findings_takes_as_many_queries_as_one_finding(viewer):
    run = BackfillRunFactory.create(ended=True)

    def find() -> None:
        invitee = InviteeFactory.create()
        event = BookingEventFactory.create(invitee=invitee, cause="backfill")
        BackfillFindingFactory.create(run=run, event=event, booking_uri=invitee.booking.uri)

    def queries() -> int:
        with CaptureQueriesContext(database) as captured:
            _html(viewer, _page(run))
        return len(captured)

    find()
    queries()
    few = queries()
    for _ in range(9):
        find()

    assert queries() == few


def test_skipped_objects_say_why_and_what_to_do(viewer):
    invitee = InviteeFactory.create()
    run = BackfillRunFactory.create(ended=True, state="partial", errors=1)
    BackfillProblem.objects.create(
        run=run,
        uri=invitee.booking.uri,
        error="No start time.",
        hint="Tell Calendly.",
        created_at=NOW,
    )

    html = _html(viewer, _page(run))

    assert "No start time." in html
    assert "Tell Calendly." in html
    assert reverse("admin:bookings_booking_change", args=[invitee.booking_id]) in html


def test_a_dry_run_says_that_nothing_was_changed_and_offers_the_real_one(operator):
    run = BackfillRunFactory.create(
        ended=True, dry_run=True, window_from=datetime(2026, 11, 1, tzinfo=UTC), window_to=datetime(2026, 12, 1, tzinfo=UTC),
    )  # fmt: skip

    html = _html(operator, _page(run))

    assert "Nothing was changed" in html
    assert (
        f"connection={run.connection_id}&amp;first_day=2026-11-01&amp;last_day=2026-11-30" in html
    )


def test_what_comes_from_outside_is_escaped(operator):
    run = BackfillRunFactory.create(ended=True, state="failed", error=EVIL, hint=EVIL)
    BackfillFindingFactory.create(run=run, kind=EVIL[:32], booking_uri=EVIL)
    BackfillProblem.objects.create(run=run, uri=EVIL, error=EVIL, hint=EVIL, created_at=NOW)

    for url in (_page(run), _progress(run), reverse(LIST)):
        assert "<script>alert" not in _html(operator, url)


def test_the_list_shows_runs_in_every_state(viewer):
    for state in BackfillRun.State.values:
        BackfillRunFactory.create(state=state, dry_run=state == "done")

    html = _html(viewer, reverse(LIST))

    assert "dry run" in html
    assert "partial" in html


def test_the_list_takes_as_many_queries_for_many_runs_as_for_one(viewer):
    def queries() -> int:
        with CaptureQueriesContext(database) as captured:
            _html(viewer, reverse(LIST))
        return len(captured)

    BackfillRunFactory.create()
    queries()
    few = queries()
    BackfillRunFactory.create_batch(5)

    assert queries() == few


def test_a_run_is_kept(admin_client):
    run = BackfillRunFactory.create(ended=True)

    url = reverse("admin:integrations_backfillrun_delete", args=[run.pk])

    assert admin_client.get(url).status_code == 403
