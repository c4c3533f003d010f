"""The sandbox's Calendly answers like the real one: shapes, paging, errors, limits."""

import re
from datetime import datetime

import pytest

MICRO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def test_me_is_the_owner_with_full_shape(calendly):
    me = calendly.get("/users/me").json()["resource"]

    assert {"uri", "slug", "avatar_url", "locale", "time_notation", "resource_type"} <= me.keys()
    assert me["uri"].startswith("https://api.calendly.com/users/")
    assert MICRO.fullmatch(me["created_at"])


def test_every_answer_carries_the_rate_limit(calendly):
    first, second = calendly.get("/users/me"), calendly.get("/users/nobody")

    assert first.headers["X-RateLimit-Limit"] == "500"
    assert second.status_code == 404
    assert second.headers["X-RateLimit-Remaining"] == "498"
    assert 0 < int(second.headers["X-RateLimit-Reset"]) <= 60


def test_a_spent_budget_is_429(calendly, control):
    control.settings(calendly_requests_per_minute=1)
    calendly.get("/users/me")

    refused = calendly.get("/users/me")

    assert refused.status_code == 429
    assert refused.headers["X-RateLimit-Remaining"] == "0"
    assert refused.json()["title"] == "Too Many Requests"


def test_an_unknown_token_is_401(calendly_as):
    refused = calendly_as("nonsense").get("/users/me")

    assert (refused.status_code, refused.json()["title"]) == (401, "Unauthenticated")


def test_a_missing_scope_is_named(calendly_as, control, organization):
    weak = calendly_as(control.make_token(scopes=["users:read", "webhooks:write"]))

    refused = weak.get("/scheduled_events", organization=organization)
    subscribing = weak.post(
        "/webhook_subscriptions",
        url="http://127.0.0.1:1/",
        events=["invitee.created"],
        organization=organization,
        scope="organization",
    )

    assert refused.status_code == 403
    assert refused.json()["required_scopes"] == ["scheduled_events:read"]
    assert subscribing.status_code == 400
    listing = weak.get("/webhook_subscriptions", organization=organization, scope="organization")
    assert listing.status_code == 200, "writing implies reading"


def test_pages_link_to_each_other_on_the_real_host(calendly, control, organization):
    for number in range(5):
        control.book(name=f"Guest {number}", email=f"g{number}@x.example")

    first = calendly.get("/scheduled_events", organization=organization, count=2).json()
    token = first["pagination"]["next_page_token"]
    second = calendly.get(
        "/scheduled_events", organization=organization, count=2, page_token=token
    ).json()
    token = second["pagination"]["next_page_token"]
    third = calendly.get(
        "/scheduled_events", organization=organization, count=2, page_token=token
    ).json()

    assert first["pagination"]["count"] == 2
    assert first["pagination"]["previous_page"] is None
    assert first["pagination"]["next_page"].startswith("https://api.calendly.com/scheduled_events?")
    assert second["pagination"]["previous_page_token"]
    assert third["pagination"]["next_page_token"] is None
    pages = [first, second, third]
    assert len({row["uri"] for page in pages for row in page["collection"]}) == 5


@pytest.mark.parametrize(
    ("params", "parameter"),
    [
        ({"count": 101}, "count"),
        ({"page_token": "???"}, "page_token"),
        ({"sort": "name:asc"}, "sort"),
        ({"status": "gone"}, "status"),
        ({"min_start_time": "yesterday"}, "min_start_time"),
    ],
)
def test_a_wrong_parameter_is_named_in_the_details(calendly, organization, params, parameter):
    refused = calendly.get("/scheduled_events", organization=organization, **params)

    assert refused.status_code == 400
    assert refused.json()["title"] == "Invalid Argument"
    assert refused.json()["details"][0]["parameter"] == parameter


def test_events_need_a_user_or_an_organization(calendly):
    assert calendly.get("/scheduled_events").status_code == 400


def test_another_users_events_need_the_organization_too(calendly, organization, control):
    people = {row["role"]: row["uri"] for row in control.calendly()["users"]}

    alone = calendly.get("/scheduled_events", user=people["user"])
    both = calendly.get("/scheduled_events", user=people["user"], organization=organization)

    assert alone.status_code == 403
    assert "Please also specify organization" in alone.json()["message"]
    assert both.status_code == 200


def test_an_ordinary_user_sees_only_their_own(calendly_as, control, organization):
    ordinary = calendly_as("sandbox-calendly-pat-user")
    invitee = control.book(name="A", email="a@x.example", event_type="consulting-session")

    listing = ordinary.get("/scheduled_events", organization=organization)
    one = ordinary.get(invitee["event"].removeprefix("https://api.calendly.com"))

    assert listing.status_code == 403
    assert one.json()["message"] == "You are not allowed to view this event"


def test_events_are_filtered_by_window_status_and_invitee(calendly, control, organization):
    early = control.book(name="A", email="a@x.example", start_time="2026-01-05T10:00:00Z")
    control.book(name="B", email="b@x.example", start_time="2026-02-05T10:00:00Z")
    control.cancel(early["uri"])

    def found(**params):
        answer = calendly.get("/scheduled_events", organization=organization, **params)
        return [row["start_time"][:7] for row in answer.json()["collection"]]

    assert found(status="canceled") == ["2026-01"]
    assert found(min_start_time="2026-01-20T00:00:00Z") == ["2026-02"]
    assert found(max_start_time="2026-01-05T10:00:00Z") == ["2026-01"]
    assert found(invitee_email="B@X.example") == ["2026-02"]
    assert found(sort="start_time:desc") == ["2026-02", "2026-01"]


def test_a_retired_type_is_readable_but_not_listed(calendly, organization, control):
    retired = next(row for row in control.calendly()["event_types"] if row["deleted_at"])

    listed = calendly.get("/event_types", organization=organization).json()["collection"]
    one = calendly.get("/event_types/" + retired["uri"].rsplit("/", 1)[-1])

    assert retired["uri"] not in [row["uri"] for row in listed]
    assert [row["name"] for row in listed] == sorted(row["name"] for row in listed)
    assert one.json()["resource"]["deleted_at"]


def test_memberships_carry_the_user_without_its_organization(calendly, organization):
    rows = calendly.get("/organization_memberships", organization=organization).json()

    assert {row["role"] for row in rows["collection"]} == {"owner", "admin", "user"}
    assert all("current_organization" not in row["user"] for row in rows["collection"])


def test_booking_through_the_api_makes_an_invitee(calendly, control):
    event_type = next(r for r in control.calendly()["event_types"] if r["slug"] == "interview")

    made = calendly.post(
        "/invitees",
        event_type=event_type["uri"],
        start_time="2099-01-05T10:00:00Z",
        invitee={"name": "Ann", "email": "ann@x.example", "timezone": "Europe/Paris"},
        questions_and_answers=[{"question": "Position you apply for", "answer": "Chef"}],
        event_guests=["friend@x.example"],
    )

    row = made.json()["resource"]
    event = calendly.get(row["event"].removeprefix("https://api.calendly.com")).json()["resource"]
    assert made.status_code == 201
    assert row["scheduling_method"] == "api"
    assert row["questions_and_answers"][0]["answer"] == "Chef"
    assert event["event_guests"][0]["email"] == "friend@x.example"
    assert event["event_memberships"][0]["buffered_start_time"]


def test_cancelling_an_event_cancels_every_invitee(calendly, control):
    start = "2099-01-05T10:00:00Z"
    seats = [
        control.book(
            name=f"G{n}", email=f"g{n}@x.example", event_type="group-workshop", start_time=start
        )
        for n in range(2)
    ]
    path = seats[0]["event"].removeprefix("https://api.calendly.com")

    done = calendly.post(path + "/cancellation", reason="ill")

    rows = calendly.get(path + "/invitees").json()["collection"]
    assert seats[0]["event"] == seats[1]["event"]
    assert done.status_code == 201
    assert done.json()["resource"]["canceler_type"] == "host"
    assert {row["status"] for row in rows} == {"canceled"}
    assert calendly.get(path).json()["resource"]["invitees_counter"] == {
        "total": 2,
        "active": 0,
        "limit": 5,
    }
    assert calendly.post(path + "/cancellation").json()["message"] == "Event is already canceled"


def test_a_meeting_of_the_past_cannot_be_canceled(calendly, control):
    past = control.book(name="A", email="a@x.example", start_time="2026-01-05T10:00:00Z")

    path = past["event"].removeprefix("https://api.calendly.com")
    refused = calendly.post(path + "/cancellation")

    assert (refused.status_code, refused.json()["message"]) == (403, "Event in the past")


def test_a_full_group_takes_nobody_more(control):
    for number in range(5):
        control.book(
            name="G",
            email=f"g{number}@x.example",
            event_type="group-workshop",
            start_time="2099-01-05T10:00:00Z",
        )

    with pytest.raises(RuntimeError):
        control.book(
            name="G",
            email="late@x.example",
            event_type="group-workshop",
            start_time="2099-01-05T10:00:00Z",
        )


def test_no_show_moves_no_timestamp_and_can_be_taken_back(calendly, control):
    invitee = control.book(name="A", email="a@x.example")
    path = invitee["uri"].removeprefix("https://api.calendly.com")

    made = calendly.post("/invitee_no_shows", invitee=invitee["uri"])
    marked = calendly.get(path).json()["resource"]
    key = made.json()["resource"]["uri"].rsplit("/", 1)[-1]
    gone = calendly.delete(f"/invitee_no_shows/{key}")

    assert made.status_code == 201
    assert marked["no_show"]["uri"] == made.json()["resource"]["uri"]
    assert marked["updated_at"] == invitee["updated_at"]
    assert gone.status_code == 204
    assert calendly.get(path).json()["resource"]["no_show"] is None
    assert calendly.get(f"/invitee_no_shows/{key}").status_code == 404


def test_a_reschedule_links_both_invitees_and_moves_time_forward(calendly, control):
    old = control.book(name="A", email="a@x.example", now="2026-01-01T10:00:00Z")

    new = control.reschedule(old["uri"], start_time="2026-03-01T10:00:00Z", now=old["created_at"])

    before = calendly.get(old["uri"].removeprefix("https://api.calendly.com")).json()["resource"]
    assert (before["status"], before["rescheduled"]) == ("canceled", True)
    assert before["new_invitee"] == new["uri"]
    assert new["old_invitee"] == old["uri"]
    assert new["event"] != old["event"]
    assert before["updated_at"] > old["updated_at"]


def test_a_conference_link_may_come_later_without_a_webhook(calendly, control):
    invitee = control.book(name="A", email="a@x.example", conference_delay=0.05)
    path = invitee["event"].removeprefix("https://api.calendly.com")

    first = calendly.get(path).json()["resource"]
    later = first
    while later["location"]["status"] == "processing":
        later = calendly.get(path).json()["resource"]

    assert first["location"]["join_url"] is None
    assert later["location"]["status"] == "pushed"
    assert later["location"]["join_url"]
    assert later["updated_at"] > first["updated_at"]


def test_past_bookings_keep_their_own_time(control):
    invitee = control.book(
        name="A",
        email="a@x.example",
        start_time="2025-05-05T10:00:00Z",
        now="2025-05-01T08:00:00Z",
    )
    other = control.book(
        name="B",
        email="b@x.example",
        start_time="2025-05-05T10:00:00Z",
        now="2025-05-01T08:00:00Z",
    )

    assert invitee["created_at"].startswith("2025-05-01T08:00:00.")
    assert invitee["created_at"] != other["created_at"]
    assert datetime.fromisoformat(invitee["created_at"]).microsecond


def test_a_new_host_moves_the_event_forward(control):
    invitee = control.book(name="A", email="a@x.example", host="admin")

    event = control.reassign_host(invitee["uri"], host="uma@harbor.example")

    assert event["event_memberships"][0]["user_email"] == "uma@harbor.example"
    assert event["updated_at"] > event["created_at"]


def test_routing_forms_and_their_submissions_are_listed(calendly, control, organization):
    form = calendly.get("/routing_forms", organization=organization).json()["collection"][0]
    made = control.submit_form({"Email": "a@x.example"})

    rows = calendly.get("/routing_form_submissions", form=form["uri"]).json()["collection"]

    assert rows == [made]
    assert rows[0]["result"]["type"] == "event_type"
