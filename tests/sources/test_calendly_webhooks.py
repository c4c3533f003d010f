from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bookings.snapshots import (
    UNSET,
    Answer,
    Cancellation,
    EventTypeSnapshot,
    Location,
    NoShow,
    NoShowSnapshot,
    RoutingSubmissionSnapshot,
)
from integrations.sources.base import NotUnderstood, Understood
from integrations.sources.calendly.source import CalendlySource
from tests.sources.loading import NOW, body, document, meeting, not_understood, only, understood

pytestmark = pytest.mark.db_independent

API = "https://api.calendly.com"
EVENT = f"{API}/scheduled_events/1f6a3d52-8f5e-4c9b-9a41-2b8f0c3d7e10"
INVITEE = f"{EVENT}/invitees/c41b7a90-52f7-4a3e-8d0c-6f1e9b2a4d55"
NEXT_EVENT = f"{API}/scheduled_events/7d2c9e84-0b1a-4f63-b5d8-93e6a1c4f702"
NEXT_INVITEE = f"{NEXT_EVENT}/invitees/e95d0f13-7c48-4b26-a1f9-0d3b8e6c5a71"


def changed(name, /, **changes):
    """The fixture's document with keys of its payload set, or dropped where the value is `...`."""
    value = document(name)
    for key, change in changes.items():
        value["payload"].pop(key, None)
        if change is not ...:
            value["payload"][key] = change
    return value


def with_event(name="invitee.created", /, **changes):
    value = document(name)
    event = value["payload"]["scheduled_event"]
    for key, change in changes.items():
        event.pop(key, None)
        if change is not ...:
            event[key] = change
    return value


def test_a_booking_is_read_with_its_invitee_and_host():
    found = meeting("invitee.created")

    booking, (invitee,) = found.booking, found.invitees
    assert found.observed_at == datetime(2026, 11, 20, 9, 14, 4, tzinfo=UTC)
    assert (booking.uri, booking.name, booking.status) == (EVENT, "Product demo", "active")
    assert booking.start_at == datetime(2026, 12, 3, 15, 0, tzinfo=UTC)
    assert booking.updated_at == datetime(2026, 11, 20, 9, 14, 3, 902311, tzinfo=UTC)
    assert booking.location == Location(
        type="zoom", status="pushed", join_url="https://zoom.example/j/84512390671"
    )
    (host,) = booking.hosts
    assert (host.uri, host.name) == (f"{API}/users/8e0c-maria", "Maria Lindqvist")
    assert (host.email, host.updated_at) == ("maria@northwind.example", None)
    assert (invitee.uri, invitee.booking_uri, invitee.status) == (INVITEE, EVENT, "active")
    assert (invitee.email, invitee.first_name, invitee.timezone) == (
        "jane.roe@example.com", "Jane", "Europe/Stockholm",
    )  # fmt: skip
    assert invitee.answers == (Answer(question="Company", answer="Roe & Sons"),)
    assert invitee.no_show is None
    assert invitee.raw["reconfirmation"] is None
    assert "scheduled_event" not in invitee.raw
    assert booking.raw["location"]["data"]["password"] == "4711"


def test_a_cancel_says_who_and_why_and_ends_a_booking_of_one():
    found = meeting("invitee.canceled")

    said = Cancellation(
        canceled_by="Jane Roe", reason="Travelling that week", canceler_type="invitee",
        created_at=datetime(2026, 11, 21, 8, 0, 10, 551000, tzinfo=UTC),
    )  # fmt: skip
    assert found.invitees[0].status == found.booking.status == "canceled"
    assert found.invitees[0].cancellation == found.booking.cancellation == said


def test_a_cancel_without_a_reason_has_an_empty_one():
    cancellation = meeting("invitee.canceled-by-host-no-reason").invitees[0].cancellation

    assert cancellation == Cancellation(canceled_by="Maria Lindqvist", canceler_type="host")


def test_one_cancel_of_a_group_leaves_the_booking_active():
    found = meeting("invitee.canceled-group-one")

    assert found.invitees[0].status == "canceled"
    assert found.booking.status == "active"
    assert found.booking.invitees_active == 1
    assert isinstance(found.booking.invitees_limit, int)


@pytest.mark.parametrize(
    ("counter", "status"),
    [
        ({"total": 1, "active": 0, "limit": 1}, "canceled"),
        ({"total": 0, "active": 0, "limit": 0}, "canceled"),
        ({"total": 9, "active": 8, "limit": 10}, "active"),
        ({}, "active"),
        (None, "active"),
        ([1], "active"),
    ],
)
def test_a_booking_left_active_ends_with_its_only_invitee(counter, status):
    value = with_event(
        "invitee.canceled", invitees_counter=counter, status="active", cancellation=...
    )

    assert meeting(value).booking.status == status


def test_a_reschedule_links_both_halves():
    old = meeting("invitee.canceled-rescheduled").invitees[0]
    new = meeting("invitee.created-rescheduled").invitees[0]

    assert (old.rescheduled, old.new_invitee_uri, old.old_invitee_uri) == (True, new.uri, "")
    assert (new.rescheduled, new.new_invitee_uri, new.old_invitee_uri) == (False, "", old.uri)
    assert new.uri == NEXT_INVITEE
    assert new.booking_uri == NEXT_EVENT


def test_the_flag_on_the_new_half_of_a_reschedule_is_not_believed():
    assert (
        meeting(changed("invitee.created-rescheduled", rescheduled=True)).invitees[0].rescheduled
        is False
    )


def test_a_link_to_the_new_half_is_enough_of_a_reschedule():
    assert (
        meeting(changed("invitee.canceled-rescheduled", rescheduled=None)).invitees[0].rescheduled
    )


@pytest.mark.parametrize(
    ("changes", "kind", "status"),
    [
        ({"status": "active"}, "invitee.created", "active"),
        ({"status": "Cancelled"}, "invitee.created", "canceled"),
        ({"status": ..., "canceled": True}, "invitee.created", "canceled"),
        ({"status": ..., "canceled": False}, "invitee.canceled", "active"),
        ({"status": None, "cancellation": {"reason": "x"}}, "invitee.created", "canceled"),
        ({"status": ...}, "invitee.canceled", "canceled"),
        ({"status": 7}, "invitee.created", "active"),
        ({"status": "canceled"}, "invitee.rescheduled", "canceled"),
        ({"status": "active"}, "invitee.rescheduled", "active"),
    ],
)
def test_the_status_is_the_invitees_then_older_keys_then_the_kind(changes, kind, status):
    value = changed("invitee.created", **changes) | {"event": kind}

    assert meeting(value).invitees[0].status == status


@pytest.mark.parametrize(
    ("kind", "no_show", "expected"),
    [
        ("invitee.created", ..., UNSET),
        ("invitee.created", None, None),
        ("invitee.created", False, None),
        ("invitee.created", 5, UNSET),
        ("invitee.created", {}, UNSET),
        ("invitee_no_show.deleted", ..., None),
        ("invitee_no_show.deleted", {"uri": "https://x/invitee_no_shows/1"}, None),
        ("invitee.created", {"uri": "u"}, NoShow(uri="u")),
    ],
)
def test_a_no_show_is_said_denied_or_not_spoken_of(kind, no_show, expected):
    value = changed("invitee.created", no_show=no_show) | {"event": kind}

    assert meeting(value).invitees[0].no_show == expected


@pytest.mark.parametrize("no_show", [True, {"created_at": None, "uri": ""}, ...])
def test_a_no_show_without_a_name_gets_one_that_stays(no_show):
    value = changed("invitee.created", no_show=no_show) | {"event": "invitee_no_show.created"}

    first, second = (meeting(value).invitees[0].no_show for _ in range(2))

    assert isinstance(first, NoShow)
    assert first.uri.startswith("urn:calsync:no_show:")
    assert first == second


def test_a_marked_no_show_keeps_the_envelopes_time_as_its_version():
    found = meeting("invitee_no_show.created")

    assert found.observed_at == datetime(2026, 12, 3, 15, 20, 1, tzinfo=UTC)
    assert found.invitees[0].no_show == NoShow(
        uri=f"{API}/invitee_no_shows/ns-1",
        created_at=datetime(2026, 12, 3, 15, 20, 0, 410000, tzinfo=UTC),
    )


def test_a_bare_no_show_names_its_invitee_and_booking():
    value = document("invitee_no_show.created-bare")
    marked = understood(value).snapshots
    removed = understood(value | {"event": "invitee_no_show.deleted"}).snapshots

    when = datetime(2026, 12, 3, 15, 20, 0, 410000, tzinfo=UTC)
    expected = NoShowSnapshot(
        invitee_uri=INVITEE,
        booking_uri=EVENT,
        no_show=NoShow(uri=f"{API}/invitee_no_shows/ns-1", created_at=when),
        observed_at=datetime(2026, 12, 3, 15, 20, 1, tzinfo=UTC),
    )
    assert marked == (expected,)
    assert removed == (replace(expected, no_show=None),)


def test_a_body_without_the_scheduled_event_names_the_booking_alone():
    found = meeting("invitee.canceled-without-scheduled-event")

    assert found.booking is None
    assert found.invitees[0].booking_uri == EVENT
    assert found.invitees[0].status == "canceled"
    assert found.invitees[0].no_show is UNSET


@pytest.mark.parametrize("gone", [{"start_time": None}, {"end_time": "soon"}, {"start_time": ...}])
def test_a_booking_without_a_start_or_end_is_left_to_be_fetched(gone):
    found = meeting(with_event(**gone))

    assert found.booking is None
    assert found.invitees[0].booking_uri == EVENT


def test_the_bookings_name_is_the_events_then_the_payloads_then_the_invitees():
    other = f"{API}/scheduled_events/OTHER"

    assert meeting(with_event(uri=other)).booking.uri == other
    assert meeting(with_event(uri=None)).booking.uri == EVENT
    value = changed("invitee.created", event=other, scheduled_event=None)
    assert meeting(value).invitees[0].booking_uri == other
    value = changed("invitee.created", event=None, scheduled_event=None)
    assert meeting(value).invitees[0].booking_uri == EVENT


def test_other_bases_of_examples_are_read_as_the_api():
    value = changed(
        "invitee.created", old_invitee="https://calendly.com/scheduled_events/A/invitees/B"
    )
    value["payload"]["uri"] = INVITEE.replace("api.calendly.com", "api.calendly.com/api/v2")

    invitee = meeting(value).invitees[0]

    assert invitee.uri == INVITEE
    assert invitee.old_invitee_uri == f"{API}/scheduled_events/A/invitees/B"


def test_who_made_the_subscription_is_never_a_host():
    value = with_event(event_memberships=[])

    assert meeting(value).booking.hosts == ()
    assert "0a11-admin" not in repr(meeting("invitee.created"))


def test_hosts_keep_their_order_and_come_once():
    hosts = meeting("invitee.created-retired-type-two-hosts").booking.hosts

    assert [host.name for host in hosts] == ["Maria Lindqvist", "Tom Okafor"]


@pytest.mark.parametrize(
    ("members", "uris"),
    [
        ([{"user_name": "É", "user_email": "Elodie@Example.com"}], ["mailto:elodie@example.com"]),
        ([{"user": {"uri": f"{API}/users/A"}}], [f"{API}/users/A"]),
        ([{"user_name": "Nobody"}, None, 5, "x", []], []),
        (None, []),
        ({"user": f"{API}/users/A"}, []),
    ],
)
def test_hosts_without_a_uri_are_named_by_email_address(members, uris):
    booking = meeting(with_event(event_memberships=members)).booking

    assert [host.uri for host in booking.hosts] == uris


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        (None, Location()),
        ({}, Location()),
        ([], Location()),
        ({"type": "physical", "location": " Office "}, Location(type="physical", text="Office")),
        ({"type": "custom", "location": None}, Location(type="custom")),
        ({"type": "custom", "location": "null"}, Location(type="custom")),
        ({"type": "outbound_call", "location": "+4670"}, Location(type="outbound_call", text="+4670")),
        ({"type": "inbound_call", "location": 4670}, Location(type="inbound_call", text="4670")),
        ({"kind": "zoom_conference"}, Location(type="zoom")),
        ({"type": "zoom_conference", "status": "initiated"}, Location(type="zoom", status="initiated")),
        ({"type": "gotomeeting_conference"}, Location(type="gotomeeting")),
        (
            {"type": "microsoft_teams_conference", "status": "processing", "join_url": None},
            Location(type="microsoft_teams_conference", status="processing"),
        ),
        ({"type": "holodeck", "join_url": "javascript:alert(1)"}, Location(type="holodeck")),
        ({"type": "webex_conference", "join_url": "https://w/" + "x" * 2048}, Location(type="webex_conference")),
        ("Room 5", Location(type="custom", text="Room 5")),
        ("", Location()),
    ],
)  # fmt: skip
def test_places_are_read_under_the_scheduled_events_own_names(location, expected):
    assert meeting(with_event(location=location)).booking.location == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-12-03T15:00:00Z", datetime(2026, 12, 3, 15, 0, tzinfo=UTC)),
        ("2026-12-03T15:00:00.5Z", datetime(2026, 12, 3, 15, 0, 0, 500000, tzinfo=UTC)),
        ("2026-12-03T15:00:00.123456Z", datetime(2026, 12, 3, 15, 0, 0, 123456, tzinfo=UTC)),
        ("2026-12-03T16:00:00+01:00", datetime(2026, 12, 3, 15, 0, tzinfo=UTC)),
        ("2026-12-03T15:00:00", datetime(2026, 12, 3, 15, 0, tzinfo=UTC)),
        (" 2026-12-03 15:00 ", datetime(2026, 12, 3, 15, 0, tzinfo=UTC)),
    ],
)
def test_times_come_in_several_precisions_and_offsets(text, expected):
    assert meeting(with_event(start_time=text)).booking.start_at == expected


@pytest.mark.parametrize(
    "text",
    ["", "2026-12-03", "2026-13-03T15:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z",
     "tomorrow", 1_700_000_000, True, None, {}, "2026-12-03T15:00:00Zzz"],
)  # fmt: skip
def test_what_is_no_time_of_our_era_is_left_out(text):
    assert meeting(with_event(start_time=text)).booking is None


def test_versions_fall_back_to_when_it_was_made_then_to_the_envelope_then_to_now():
    sent = datetime(2026, 11, 20, 9, 14, 4, tzinfo=UTC)
    made = datetime(2026, 11, 20, 9, 14, 2, 104511, tzinfo=UTC)
    value = changed("invitee.created", updated_at="x")
    assert meeting(value).invitees[0].updated_at == made

    value = changed("invitee.created", updated_at=None, created_at=...)
    assert meeting(value).invitees[0].updated_at == sent

    del value["created_at"]
    found = meeting(value)
    assert found.observed_at == found.invitees[0].updated_at == NOW


def test_text_of_every_script_is_kept():
    found = meeting("invitee.created-unicode")

    invitee = found.invitees[0]
    assert found.booking.name == "Démo 製品"
    assert invitee.name == "Zoë Ångström 🚀"
    assert invitee.email == "Zoe.Angstrom@exämple.example"
    assert invitee.timezone == "Asia/Calcutta"
    assert invitee.answers[1] == Answer(question="お名前", answer="", position=1)
    assert meeting("invitee.created-escapes").booking.name == "Café & Co 😀"


def test_guests_tracking_and_phone_are_read():
    found = meeting("invitee.created-guests-payment-tracking")

    invitee = found.invitees[0]
    assert found.booking.guests == ("boss@example.com", "legal@example.com")
    assert invitee.tracking == {
        "utm_source": "newsletter", "utm_campaign": "winter",
        "salesforce_uuid": "0035g00000ABCDEAA4",
    }  # fmt: skip
    assert invitee.text_reminder_number == "+46 70 123 45 67"
    assert invitee.routing_submission_uri == f"{API}/routing_form_submissions/rfs-1"
    assert invitee.raw["payment"]["amount"] == "49.50"


@pytest.mark.parametrize(
    ("answer", "text"),
    [(None, ""), ("a\nb", "a\nb"), (["a", "b"], "a\nb"), (7, "7"), ({}, ""), (False, "")],
)
def test_answers_are_text(answer, text):
    value = changed("invitee.created", questions_and_answers=[{"question": "Q", "answer": answer}])

    assert meeting(value).invitees[0].answers == (Answer(question="Q", answer=text),)


def test_a_sparse_body_is_read_as_far_as_it_goes():
    found = meeting("invitee.created-sparse")

    assert found.booking.start_at == datetime(2026, 12, 1, 7, 0, tzinfo=UTC)
    assert found.booking.name == ""
    assert found.booking.hosts[0].uri == "mailto:elodie@example.com"
    assert found.booking.invitees_limit is None
    assert found.invitees[0].name == "Lea Roux"


def test_the_mock_of_a_tutorial_gets_names_that_its_cancel_shares():
    created = meeting("invitee.created-tutorial-mock")
    canceled = meeting("invitee.canceled-tutorial-mock")

    assert created.booking.uri.startswith("urn:calsync:booking:")
    assert created.invitees[0].uri.startswith("urn:calsync:invitee:")
    assert created.booking.uri == canceled.booking.uri
    assert created.invitees[0].uri == canceled.invitees[0].uri
    assert created.booking.event_type_name == created.booking.name == "45 Min Consultation"
    assert created.booking.status == "active"
    assert canceled.booking.status == "canceled"
    assert canceled.invitees[0].updated_at - created.invitees[0].updated_at == timedelta(days=1)


def test_another_person_or_time_gets_another_name():
    value = document("invitee.created-tutorial-mock")
    names = {meeting(value).booking.uri}
    value["payload"]["email"] = "other@example.com"
    names.add(meeting(value).booking.uri)
    value["payload"]["event"]["start_time"] = "2026-12-10T13:00:00Z"
    names.add(meeting(value).booking.uri)

    assert len(names) == 3


def test_the_mocks_uri_is_taken_where_it_has_one():
    found = meeting("invitee.rescheduled-tutorial-mock")

    assert found.booking.uri == f"{API}/scheduled_events/mock-1"


def test_text_longer_than_its_column_is_cut_and_stays_whole_in_raw():
    long = "x" * 5000
    found = meeting(changed("invitee.created", name=long, email=long, timezone=long, uri=INVITEE))

    invitee = found.invitees[0]
    assert (len(invitee.name), len(invitee.email), len(invitee.timezone)) == (255, 320, 64)
    assert invitee.raw["name"] == long
    assert (
        meeting(changed("invitee.created", cancel_url="https://" + long)).invitees[0].cancel_url
        == ""
    )


def test_event_types_are_read():
    item = only("event_type.updated")

    assert isinstance(item, EventTypeSnapshot)
    assert (item.name, item.slug, item.duration_minutes) == ("Product demo", "demo", 30)
    assert (item.active, item.deleted_at, item.pooling_type) == (True, None, "round_robin")
    assert item.updated_at == datetime(2026, 11, 1, 8, 0, tzinfo=UTC)


def test_a_deleted_event_type_is_deleted_even_when_it_does_not_say_when():
    item = only("event_type.deleted")

    assert item.active is False
    assert item.deleted_at == datetime(2026, 11, 10, 8, 0, 1, tzinfo=UTC)


def test_routing_form_submissions_are_read():
    item = only("routing_form_submission.created")
    told = only("routing_form_submission.created-message")

    assert isinstance(item, RoutingSubmissionSnapshot)
    assert item.answers == (
        Answer(question="Team size", answer="11–50", position=0),
        Answer(question="Anything else?", answer="", position=1),
    )
    assert (item.result_type, item.submitter_uri) == ("event_type", INVITEE)
    assert item.tracking == {"utm_source": "pricing"}
    assert told.result_value == "Thank you\nWe will write to you."
    assert told.submitter_uri == ""


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("contact.updated", "contacts"),
        ("meeting_recap.created", "notes"),
        ("invitee.created-v1", "API v1"),
        ({"event": "invitee.updated", "payload": {"uri": INVITEE}}, "invitee.updated"),
        ({"event": "invitee.created"}, "no payload"),
        ({"event": "invitee.created", "payload": []}, "no payload"),
        ({"event": "invitee.created", "payload": {"email": "a@b.example"}}, "e-mail address"),
        ({"event": "event_type.updated", "payload": {"name": "x"}}, "URI"),
        ({"event": "routing_form_submission.created", "payload": {"x": 1}}, "URI"),
        ({"event": "invitee_no_show.created", "payload": {"invitee": None}}, "invitee"),
        ({"event": 5, "payload": {}}, "names no event"),
        ({"payload": {}}, "names no event"),
        ([], "names no event"),
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"{", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[" * 100_000, "too deeply"),
        (b"[" * 100 + b"]" * 100, "too deeply"),
    ],
)
def test_what_is_not_understood_says_why(value, words):
    assert words in not_understood(value).reason


def test_an_unknown_kind_is_kept_to_be_shown():
    assert not_understood({"event": "x" * 500, "payload": {"a": 1}}).kind == "x" * 64


@pytest.mark.parametrize(
    ("piece", "name"),
    [
        (b'"Jane\\u0000 Roe"', "Jane Roe"),
        (b'"Jane\\ud800Roe"', "Jane\ufffdRoe"),
        (b'"Jane \xff Roe"', "Jane \ufffd Roe"),
        (b'"\\ud83d\\ude00"', "😀"),
        (b"NaN", "Jane Roe"),
        (b"-Infinity", "Jane Roe"),
        (b"1e999", "1e999"),
        (b"9" * 5000, "9" * 255),
        (b'"x", "name": "Last"', "Last"),
    ],
)
def test_what_postgresql_would_refuse_is_cleaned(piece, name):
    raw = body("invitee.created").replace(b'"name": "Jane Roe"', b'"name": ' + piece)

    assert meeting(raw).invitees[0].name == name


def test_a_byte_order_mark_does_no_harm():
    assert meeting(b"\xef\xbb\xbf" + body("invitee.created")).booking is not None


def test_a_repeat_shares_its_delivery_key_and_nothing_else_does():
    names = (
        "invitee.created", "invitee.canceled", "invitee.created-group-first",
        "invitee.created-group-second", "invitee_no_show.created", "invitee_no_show.deleted",
        "event_type.updated", "event_type.deleted", "routing_form_submission.created",
    )  # fmt: skip
    keys = {understood(name).delivery_key for name in names}
    later = understood(document("invitee.created") | {"created_at": "2026-11-20T10:00:00Z"})
    second_mark = document("invitee_no_show.created")
    second_mark["payload"]["no_show"]["uri"] += "-again"

    assert len(keys) == len(names)
    assert later.delivery_key == understood("invitee.created").delivery_key
    assert understood(second_mark).delivery_key not in keys


def test_the_source_parses():
    source = CalendlySource()

    assert source.label == "Calendly"
    assert isinstance(source.parse(body("invitee.created"), received_at=NOW), Understood)
    assert isinstance(source.parse(b"?", received_at=NOW), NotUnderstood)
