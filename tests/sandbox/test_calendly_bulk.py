"""Bookings by the thousand, changes nobody is told of, and what vanishes without a word."""

import pytest

from integrations.sandbox import SandboxControlError, SandboxServer

HOST = "https://api.calendly.com"


def path_of(uri):
    return uri.removeprefix(HOST)


def listed(api, path="/scheduled_events", **params):
    rows, token = [], None
    while True:
        body = api.get(path, count=100, page_token=token, **params).json()
        rows += body["collection"]
        if not (token := body["pagination"]["next_page_token"]):
            return rows


def test_a_season_of_bookings_has_the_shares_asked_for(calendly, control, organization):
    counts = control.seed_bookings(
        300,
        start="2026-01-01T00:00:00Z",
        days=20,
        canceled_share=0.2,
        rescheduled_share=0.1,
        no_show_share=0.1,
        group_share=0.3,
    )

    rows = listed(calendly, organization=organization)
    held = control.calendly()
    gone = [row for row in held["invitees"] if row["status"] == "canceled"]
    starts = [row["start_time"] for row in rows]
    assert (counts["bookings"], len(held["invitees"])) == (300, 300)
    assert (counts["canceled"], counts["rescheduled"], counts["no_show"]) == (60, 30, 30)
    assert len(gone) == 90
    assert sum(row["rescheduled"] for row in gone) == 30
    assert len(rows) == counts["events"] < 300
    assert starts == sorted(starts)
    assert starts[0] >= "2026-01-01T"
    assert starts[-1] < "2026-01-21T"
    assert max(row["invitees_counter"]["total"] for row in rows) > 1


def test_the_same_seed_makes_the_same_bookings():
    seasons = []
    for _ in range(2):
        with SandboxServer() as server:
            server.control.seed_bookings(50, start="2025-01-01T00:00:00Z", days=20)
            server.control.change_bookings(share=0.5)
            invitees = server.control.calendly()["invitees"]
            seasons.append([(row["uri"], row["name"], row["status"]) for row in invitees])

    assert seasons[0] == seasons[1]


def test_a_second_season_adds_to_the_first(control):
    control.seed_bookings(20)
    control.seed_bookings(20)

    uris = [row["uri"] for row in control.calendly()["invitees"]]
    assert len(uris) == len(set(uris)) == 40


def test_shares_beyond_the_whole_are_refused(control):
    with pytest.raises(SandboxControlError):
        control.seed_bookings(10, canceled_share=0.6, rescheduled_share=0.3)


def test_bookings_change_though_members_and_event_types_are_gone(control):
    control.seed_bookings(60, start="2026-01-01T00:00:00Z")
    control.remove_member("user")
    control.erase_event_type("sales-demo")

    counts = control.change_bookings(share=1)

    assert sum(counts.values()) == 48
    control.delete_event_type("consulting-session")
    with pytest.raises(SandboxControlError, match="parameters"):
        control.seed_bookings(1)


def test_changed_bookings_differ_and_nobody_is_told(control, subscribe, receiver):
    subscribe()
    control.seed_bookings(120, start="2026-01-01T00:00:00Z", days=20)
    before = {
        row["uri"]: row for kind in ("events", "invitees") for row in control.calendly()[kind]
    }

    counts = control.change_bookings(share=0.5)

    after = {row["uri"]: row for kind in ("events", "invitees") for row in control.calendly()[kind]}
    assert sum(counts.values()) == round(0.5 * 96)
    assert {"canceled", "rescheduled", "no_show", "host", "location", "answers"} <= set(counts)
    assert len(after.keys() - before.keys()) >= counts["rescheduled"]
    assert sum(before[uri] != after[uri] for uri in before) >= sum(counts.values())
    assert control.wait_idle()
    assert receiver.got == []


def test_silent_actions_send_no_webhook(control, subscribe, receiver):
    subscribe()
    invitee = control.book(name="A", email="a@x.example", silently=True)
    control.mark_no_show(invitee["uri"], silently=True)
    control.unmark_no_show(invitee["uri"], silently=True)
    moved = control.reschedule(invitee["uri"], start_time="2099-01-01T10:00:00Z", silently=True)
    control.cancel(moved["uri"], silently=True)
    heard = control.book(name="B", email="b@x.example")

    assert control.wait_idle()
    assert [row["subject"] for row in control.deliveries()] == [heard["uri"]]
    assert len(receiver.got) == 1


def test_an_erased_event_is_gone_with_all_that_hangs_on_it(
    calendly, control, organization, subscribe, receiver
):
    invitee = control.book(name="A", email="a@x.example")
    kept = control.book(name="B", email="b@x.example")
    mark = control.mark_no_show(invitee["uri"])
    subscribe()

    erased = control.erase_event(invitee["event"])

    assert erased == [invitee["event"], invitee["uri"], mark["uri"]]
    assert [calendly.get(path_of(uri)).status_code for uri in erased] == [404, 404, 404]
    assert calendly.get(path_of(invitee["event"]) + "/invitees").status_code == 404
    rows = listed(calendly, organization=organization)
    assert [row["uri"] for row in rows] == [kept["event"]]
    assert control.wait_idle()
    assert receiver.got == []


def test_a_removed_member_leaves_only_meetings_of_the_organization(
    calendly, calendly_as, control, organization
):
    uma = next(row["uri"] for row in control.calendly()["users"] if row["role"] == "user")
    invitee = control.book(name="A", email="a@x.example", event_type="interview")

    membership = control.remove_member("user")

    members = calendly.get("/organization_memberships", organization=organization).json()
    assert membership["user"]["uri"] == uma
    assert {row["role"] for row in members["collection"]} == {"owner", "admin"}
    assert calendly.get(path_of(uma)).status_code == 404
    assert calendly.get(path_of(membership["uri"])).status_code == 404
    assert calendly_as("sandbox-calendly-pat-user").get("/users/me").status_code == 401
    rows = listed(calendly, organization=organization)
    assert [row["uri"] for row in rows] == [invitee["event"]]
    asked = calendly.get("/scheduled_events", organization=organization, user=uma)
    assert asked.json()["message"] == "This user is not in your organization"


def test_the_api_removes_members_for_admins_only(calendly, calendly_as, organization):
    rows = calendly.get("/organization_memberships", organization=organization).json()
    paths = {row["role"]: path_of(row["uri"]) for row in rows["collection"]}
    ordinary = calendly_as("sandbox-calendly-pat-user")

    assert ordinary.delete(paths["admin"]).status_code == 403
    assert calendly.delete(paths["owner"]).status_code == 403
    assert calendly.delete(paths["user"]).status_code == 204
    assert calendly.delete(paths["user"]).status_code == 404


def test_event_types_of_a_removed_member_stay_readable(calendly, control, organization):
    def slugs():
        rows = calendly.get("/event_types", organization=organization).json()["collection"]
        return {row["slug"] for row in rows}

    interview = next(r for r in control.calendly()["event_types"] if r["slug"] == "interview")
    control.remove_member("user")

    assert "interview" not in slugs()
    assert "sales-demo" in slugs(), "another host is left"
    assert calendly.get(path_of(interview["uri"])).json()["resource"]["deleted_at"]
    moved = control.book(name="A", email="a@x.example", event_type="sales-demo")
    assert moved["status"] == "active"


def test_a_meeting_of_a_removed_member_can_be_moved(control):
    invitee = control.book(name="A", email="a@x.example", event_type="sales-demo", host="user")
    control.remove_member("user")

    moved = control.reschedule(invitee["uri"], start_time="2099-01-01T10:00:00Z")

    event = next(row for row in control.calendly()["events"] if row["uri"] == moved["event"])
    assert event["event_memberships"][0]["user_email"] == "adam@harbor.example"


def test_the_owner_cannot_be_removed(control):
    with pytest.raises(SandboxControlError):
        control.remove_member("owner")


def test_a_deleted_event_type_is_readable_and_an_erased_one_is_not(
    calendly, control, organization, subscribe, receiver
):
    subscribe(events=["event_type.deleted", "event_type.updated"])
    deleted = control.delete_event_type("interview")
    erased = control.erase_event_type("consulting-session")

    rows = calendly.get("/event_types", organization=organization).json()["collection"]
    assert not {deleted["uri"], erased["uri"]} & {row["uri"] for row in rows}
    assert calendly.get(path_of(deleted["uri"])).json()["resource"] == deleted
    assert deleted["deleted_at"]
    assert calendly.get(path_of(erased["uri"])).status_code == 404
    assert control.wait_idle()
    assert receiver.got == []


def test_a_list_is_true_after_a_change_between_two_pages(calendly, control, organization):
    control.seed_bookings(60, start="2099-01-01T00:00:00Z", canceled_share=0)
    first = listed(calendly, organization=organization, status="active")
    active = next(row for row in control.calendly()["invitees"] if row["status"] == "active")

    calendly.post(path_of(active["event"]) + "/cancellation")

    second = listed(calendly, organization=organization, status="active")
    assert len(second) == len(first) - 1


def test_budgets_start_anew_when_told(calendly, control):
    control.settings(calendly_requests_per_minute=1)
    calendly.get("/users/me")
    assert calendly.get("/users/me").status_code == 429

    control.reset_budgets()

    assert calendly.get("/users/me").ok
