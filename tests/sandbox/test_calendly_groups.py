"""The sandbox's groups: who is in them, their meetings and their webhooks."""

import json

import pytest

HOST = "https://api.calendly.com"
UMA = "sandbox-calendly-pat-user"
GROUP_KEYS = {"uri", "name", "organization", "member_count", "created_at", "updated_at"}
RELATIONSHIP_KEYS = {"uri", "group", "role", "owner", "organization", "created_at", "updated_at"}


@pytest.fixture
def held(control):
    return control.calendly()


@pytest.fixture
def sales(held):
    return next(row for row in held["groups"] if row["name"] == "Sales")


@pytest.fixture
def consulting(held):
    return next(row for row in held["groups"] if row["name"] == "Consulting")


def collection(answer):
    assert answer.ok, answer.text
    return answer.json()["collection"]


def test_groups_are_listed_and_readable(calendly, organization, sales):
    rows = collection(calendly.get("/groups", organization=organization))

    assert {row["name"] for row in rows} == {"Sales", "Consulting"}
    assert all(row.keys() == GROUP_KEYS for row in rows)
    assert sales["member_count"] == 2
    assert calendly.get(sales["uri"].removeprefix(HOST)).json() == {"resource": sales}
    assert calendly.get("/groups/unknown").status_code == 404
    assert calendly.get("/groups").json()["details"][0]["parameter"] == "organization"


def test_relationships_are_found_by_organization_group_and_owner(
    calendly, organization, held, sales
):
    rows = collection(calendly.get("/group_relationships", organization=organization))
    of_sales = collection(calendly.get("/group_relationships", group=sales["uri"]))
    owner = of_sales[0]["owner"]
    of_owner = collection(calendly.get("/group_relationships", owner=owner["uri"]))
    one = calendly.get(rows[0]["uri"].removeprefix(HOST))

    assert rows == held["group_relationships"]
    assert all(row.keys() == RELATIONSHIP_KEYS for row in rows)
    assert {row["role"] for row in of_sales} == {"admin", "member"}
    assert owner["type"] == "OrganizationMembership"
    assert "/organization_memberships/" in owner["uri"]
    assert of_owner
    assert {row["owner"]["uri"] for row in of_owner} == {owner["uri"]}
    assert one.json()["resource"] == rows[0]
    assert calendly.get("/group_relationships").status_code == 400
    assert calendly.get("/group_relationships", group=f"{HOST}/groups/no").status_code == 404


def test_meetings_of_a_group_are_those_of_its_members(calendly, control, sales, consulting):
    of_uma = control.book(name="A", email="a@x.example", event_type="interview")
    of_olivia = control.book(name="B", email="b@x.example", event_type="consulting-session")

    def events(group):
        rows = collection(calendly.get("/scheduled_events", group=group["uri"]))
        return [row["uri"] for row in rows]

    assert events(sales) == [of_uma["event"]]
    assert events(consulting) == [of_olivia["event"]]
    assert calendly.get("/scheduled_events", group=f"{HOST}/groups/no").status_code == 404


def test_who_leads_a_group_sees_its_meetings_and_no_others(calendly_as, control, sales, consulting):
    uma = calendly_as(UMA)
    of_adam = control.book(name="A", email="a@x.example", host="admin")
    of_olivia = control.book(name="B", email="b@x.example", event_type="consulting-session")

    rows = collection(uma.get("/scheduled_events", group=sales["uri"]))

    assert [row["uri"] for row in rows] == [of_adam["event"]]
    assert uma.get(of_adam["event"].removeprefix(HOST)).ok
    assert uma.get(of_olivia["event"].removeprefix(HOST)).status_code == 403
    assert uma.get("/scheduled_events", group=consulting["uri"]).status_code == 403
    assert uma.get("/group_relationships", group=consulting["uri"]).status_code == 403


def test_a_group_subscription_hears_of_its_members_only(
    calendly, organization, control, subscribe, receiver, sales
):
    subscription = subscribe(scope="group", group=sales["uri"])
    heard = control.book(name="A", email="a@x.example", event_type="interview")
    control.book(name="B", email="b@x.example", event_type="consulting-session")

    assert control.wait_idle()
    uris = [json.loads(body)["payload"]["uri"] for _, body in receiver.got]
    wanted = {"organization": organization, "scope": "group", "group": sales["uri"]}
    assert uris == [heard["uri"]]
    assert (subscription["group"], subscription["user"]) == (sales["uri"], None)
    assert collection(calendly.get("/webhook_subscriptions", **wanted)) == [subscription]


def test_group_subscriptions_are_for_known_groups_and_their_leaders(
    calendly, calendly_as, organization, sales, consulting
):
    def subscribing(api, group, number):
        body = {
            "url": f"http://127.0.0.1:1/{number}",
            "events": ["invitee.created"],
            "organization": organization,
            "scope": "group",
        }
        return api.post("/webhook_subscriptions", **body, **({"group": group} if group else {}))

    uma = calendly_as(UMA)
    assert subscribing(calendly, f"{HOST}/groups/no", 1).status_code == 404
    assert subscribing(calendly, None, 2).json()["details"][0]["parameter"] == "group"
    assert subscribing(uma, consulting["uri"], 3).status_code == 403
    made = subscribing(uma, sales["uri"], 4)
    assert made.status_code == 201
    assert uma.delete(made.json()["resource"]["uri"].removeprefix(HOST)).status_code == 204


def test_a_removed_member_leaves_the_groups(calendly, control, sales):
    control.remove_member("user")

    left = collection(calendly.get("/group_relationships", group=sales["uri"]))
    assert len(left) == 1
    group = calendly.get(sales["uri"].removeprefix(HOST)).json()["resource"]
    assert group["member_count"] == 1
    assert group["updated_at"] > sales["updated_at"]
