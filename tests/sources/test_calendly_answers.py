import json

import pytest

from bookings.snapshots import (
    HostSnapshot,
    MeetingSnapshot,
    MembershipSnapshot,
    NoShow,
    NoShowSnapshot,
)
from integrations.sources.base import NotUnderstood, Understood
from integrations.sources.calendly.payloads import parse_api
from tests.sources.loading import NOW, body, document

pytestmark = pytest.mark.db_independent

API = "https://api.calendly.com"
EVENT = f"{API}/scheduled_events/E"
INVITEE = f"{EVENT}/invitees/I"
PAYLOAD = document("invitee.created")["payload"]
USER = document("api-users-me")["resource"]
MEMBER = f"{API}/organization_memberships/M"
MEMBERSHIP = {"uri": MEMBER, "role": "admin", "organization": f"{API}/organizations/O"}


def read(value):
    return parse_api(json.dumps(value).encode(), observed_at=NOW)


def snapshots(value):
    parsed = read(value)
    assert isinstance(parsed, Understood), parsed
    return parsed.snapshots


def test_a_page_of_scheduled_events_is_bookings_without_invitees():
    found = snapshots(document("api-scheduled_events"))

    assert [item.booking.name for item in found] == ["Product demo", "Office hours"]
    assert all(item.invitees == () and item.observed_at == NOW for item in found)


@pytest.mark.parametrize(
    "wrap", [lambda x: x, lambda x: {"resource": x}, lambda x: {"collection": [x]}]
)
def test_a_user_is_a_host_however_it_is_wrapped(wrap):
    (host,) = snapshots(wrap(USER))

    assert isinstance(host, HostSnapshot)
    assert (host.name, host.timezone) == ("Maria Lindqvist", "Europe/Stockholm")
    assert host.updated_at is not None


def test_a_membership_brings_its_user():
    (found,) = snapshots({**MEMBERSHIP, "user": USER})

    assert isinstance(found, MembershipSnapshot)
    assert (found.role, found.organization_uri) == ("admin", f"{API}/organizations/O")
    assert (found.host.uri, found.host.name) == (USER["uri"], "Maria Lindqvist")
    assert found.host.updated_at is not None


@pytest.mark.parametrize("user", [USER["uri"], {"uri": USER["uri"]}])
def test_a_user_named_by_a_membership_alone_is_a_mere_mention(user):
    (found,) = snapshots({**MEMBERSHIP, "user": user})

    assert (found.host.uri, found.host.updated_at) == (USER["uri"], None)


def test_a_group_is_known_by_its_uri():
    (found,) = snapshots({"uri": f"{API}/groups/G", "name": "Sales", "organization": f"{API}/organizations/O"})  # fmt: skip

    assert (found.name, found.organization_uri) == ("Sales", f"{API}/organizations/O")
    assert found.updated_at == NOW


@pytest.mark.parametrize(
    ("group", "owner", "membership"),
    [
        (f"{API}/groups/G", {"type": "OrganizationMembership", "uri": MEMBER}, MEMBER),
        ({"uri": f"{API}/groups/G", "name": "Sales"}, MEMBER, MEMBER),
        (f"{API}/groups/G", {"type": "OrganizationInvitation", "uri": f"{API}/organizations/O/invitations/I"}, ""),
        (f"{API}/groups/G", None, ""),
        (f"{API}/groups/G", 5, ""),
    ],
)  # fmt: skip
def test_a_place_in_a_group_names_both_ends_in_any_shape(group, owner, membership):
    row = {"uri": f"{API}/group_relationships/R", "group": group, "owner": owner, "role": "admin"}

    (found,) = snapshots({"collection": [row], "pagination": {}})

    assert (found.group_uri, found.membership_uri) == (f"{API}/groups/G", membership)
    assert found.role == "admin"


def test_a_routing_form_keeps_its_questions_as_they_are():
    question = {"uuid": "1", "name": "Industry?", "answer_choices": None}
    row = {"uri": f"{API}/routing_forms/F", "name": "Demo", "status": "published", "questions": [question, 5]}  # fmt: skip

    (found,) = snapshots({"resource": row})

    assert (found.name, found.status, found.questions) == ("Demo", "published", (question,))


@pytest.mark.parametrize(
    "row",
    [
        {"uri": f"{API}/organization_memberships/M", "role": "admin"},
        {"uri": f"{API}/group_relationships/R", "owner": MEMBER},
    ],
)
def test_what_does_not_name_the_other_end_is_nothing(row):
    assert "lacks what names it" in read({"resource": row}).reason


def test_invitees_are_read_under_either_key():
    first, second = snapshots(document("api-invitees-under-resource"))

    assert isinstance(first, MeetingSnapshot)
    assert first.booking is None
    assert first.invitees[0].no_show is None
    assert isinstance(second.invitees[0].no_show, NoShow)


def test_a_bare_invitee_payload_brings_its_booking():
    (found,) = snapshots(PAYLOAD)

    assert found.booking is not None


def test_a_no_show_names_its_invitee():
    mark = {"uri": f"{API}/invitee_no_shows/N", "invitee": INVITEE, "created_at": None}

    (found,) = snapshots({"resource": mark})

    assert found == NoShowSnapshot(
        invitee_uri=INVITEE,
        booking_uri=EVENT,
        no_show=NoShow(uri=f"{API}/invitee_no_shows/N"),
        observed_at=NOW,
    )


def test_event_types_and_submissions_are_known_by_their_uri():
    types = [{"uri": f"{API}/event_types/T", "name": None}]
    forms = [{"uri": f"{API}/routing_form_submissions/S"}]

    assert read({"collection": types}).kind == "event_types"
    assert read({"collection": forms}).kind == "routing_form_submissions"
    assert (
        read({"collection": types + forms + [{}, 5]}).kind
        == "event_types, routing_form_submissions"
    )


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (document("api-error-403-scope"), "error that Calendly answered (Insufficient scope"),
        ({"resource": {"uri": f"{API}/webhook_subscriptions/W"}}, "webhook subscriptions"),
        ({"resource": {"uri": f"{API}/organizations/O"}}, "organizations"),
        ({"collection": [{"uri": f"{API}/organizations/O/invitations/V"}]}, "organization invitations"),
        ({"access_token": "x", "expires_in": 7200}, "access tokens"),
        ({"collection": [{"status": "available", "invitees_remaining": 1, "start_time": ""}]}, "available times"),
        ({"collection": []}, "nothing in it"),
        ({}, "nothing in it"),
        (5, "nothing in it"),
        (["text"], "nothing in it"),
        ({"surprise": True}, "no object of Calendly's API"),
        ({"uri": f"{EVENT}", "name": "no times"}, "lacks what names it"),
        ({"start_time": "2026-01-01T00:00Z", "end_time": "2026-01-01T01:00Z", "event_type": None}, "lacks"),
    ],
)  # fmt: skip
def test_what_is_not_mirrored_says_what_it_is(value, words):
    parsed = read(value)

    assert isinstance(parsed, NotUnderstood)
    assert words in parsed.reason
    assert "nothing is" not in parsed.reason


def test_broken_bytes_are_not_understood():
    assert isinstance(parse_api(b"\x00{", observed_at=NOW), NotUnderstood)
    assert isinstance(parse_api(body("api-users-me")[:-9], observed_at=NOW), NotUnderstood)
