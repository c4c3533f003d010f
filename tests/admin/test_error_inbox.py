from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from integrations.admin.error_inbox import cause_url, inbox_url
from integrations.models import BulkOperation, Connection, Delivery
from tests.factories import NOW, DeliveryFactory, RuleFactory, StaffUserFactory

pytestmark = pytest.mark.django_db

ERROR = "“Maria Lopez” is locked by MARKER."


def _fail(number: int = 1, *, rule=None, error=ERROR, **given):
    rule = rule or RuleFactory.create()
    return [
        DeliveryFactory.create(rule=rule, failed=True, error=error, **given) for _ in range(number)
    ]


def _html(client: Client, url: str, **query) -> str:
    response = client.get(url, query)
    assert response.status_code == 200
    return response.content.decode()


def _bulk(kind: str, query: str = "") -> str:
    return f"{reverse('admin:integrations_delivery_bulk', args=[kind])}?{query}"


def _cause_of(delivery: Delivery) -> str:
    return cause_url(
        connection_id=delivery.connection_id,
        failure_class=delivery.failure_class,
        cause=delivery.cause,
    )


def _states() -> list[str]:
    return list(Delivery.objects.order_by("pk").values_list("state", flat=True))


def test_the_inbox_groups_what_failed_and_leads_to_what_mends_it(operator):
    few = _fail(
        failure_class="configuration", hint="Name a channel that exists.", error="No channel."
    )
    many = _fail(3)
    DeliveryFactory.create(delivered=True)

    html = _html(operator, inbox_url())

    assert html.index(f"3 at {many[0].connection}") < html.index(f"1 at {few[0].connection}")
    assert "4 failed deliveries, 2 causes" in html
    assert "Name a channel that exists." in html
    assert reverse("admin:integrations_rule_change", args=[few[0].rule_id]) in html
    assert reverse("admin:integrations_delivery_change", args=[many[-1].pk]) in html


def test_what_a_later_delivery_replaced_needs_nobody(viewer):
    old = _fail()[0]
    DeliveryFactory.create(chain=old.chain, rule=old.rule, delivered=True)

    assert "Nothing needs you" in _html(viewer, inbox_url())


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"failure_class": "permanent"}, True),
        ({"failure_class": "crashed"}, False),
        ({"settled_from": "2026-11-20T09:00", "settled_to": "2026-11-20T09:01"}, True),
        ({"settled_from": "2026-11-21"}, False),
        ({"seen": "yes"}, False),
    ],
)
def test_the_inbox_is_narrowed(viewer, query, found):
    _fail()

    assert ("MARKER" in _html(viewer, inbox_url(), **query)) is found


def test_a_filter_that_is_not_understood_is_said_and_offers_nothing_for_all_of_it(operator):
    _fail()

    html = _html(operator, inbox_url(), settled_from="soon")

    assert "Give the moment as 2026-11-27T10:00 (UTC)." in html
    assert "MARKER" in html
    assert "Retry all of this filter" not in html


@pytest.mark.parametrize("make_url", [lambda row: inbox_url(), _cause_of], ids=["inbox", "cause"])
def test_a_page_takes_as_many_queries_for_many_failures_as_for_one(operator, make_url):
    rule = RuleFactory.create()
    url = make_url(_fail(rule=rule)[0])
    operator.get(url)
    with CaptureQueriesContext(database) as few:
        operator.get(url)
    _fail(3, rule=rule)
    _fail(error="Another thing.", rule=rule)

    with CaptureQueriesContext(database) as many:
        operator.get(url)

    assert len(many) == len(few)


def test_who_may_not_see_people_sees_neither_names_nor_errors(db):
    client = Client()
    client.force_login(StaffUserFactory.create(permissions=["integrations.view_delivery"]))
    row = _fail(event__invitee__name="Maria Lopez", failure_class="crashed")[0]
    inbox, cause = _html(client, inbox_url()), _html(client, _cause_of(row))
    listed = _html(client, reverse("admin:integrations_delivery_changelist"))

    for html in (inbox, cause, listed):
        assert "MARKER" not in html
        assert "Maria" not in html
        assert "M. L." in html


def test_all_of_a_cause_are_sent_again_once_it_is_confirmed(operator):
    rows = _fail(2)
    other = _fail(error="Another thing.")[0]
    page = _html(operator, _cause_of(rows[0]))
    url = _bulk("retry", _cause_of(rows[0]).partition("?")[2])
    asked = _html(operator, url)

    operator.post(url, {"confirmed": "1"})

    assert "Retry all 2" in page
    assert "Retry: 2 deliveries" in asked
    assert _states() == ["waiting", "waiting", "failed"]
    assert LogEntry.objects.filter(object_id__in=[row.pk for row in rows]).count() == 2
    assert str(other.pk) not in LogEntry.objects.values_list("object_id", flat=True)


def test_only_the_chosen_are_sent_again_and_none_chosen_is_not_all(operator):
    rows = _fail(2)

    operator.post(_bulk("retry", "chosen=1"), {"confirmed": "1"})
    unchanged = _states()
    operator.post(_bulk("retry", f"chosen=1&pk={rows[1].pk}"), {"confirmed": "1"})

    assert unchanged == ["failed", "failed"]
    assert _states() == ["failed", "waiting"]


def test_ignoring_needs_a_reason_and_a_retry_takes_it_back(operator):
    row = _fail()[0]
    url = _bulk("ignore", f"pk={row.pk}")

    refused = operator.post(url, {"confirmed": "1", "reason": "  "}).content.decode()
    row.refresh_from_db()
    before = row.acknowledged_at
    operator.post(url, {"confirmed": "1", "reason": "The test account is gone."})
    ignored = _html(operator, inbox_url(), seen="yes")
    page = _html(operator, reverse("admin:integrations_delivery_change", args=[row.pk]))
    operator.post(_bulk("retry", "seen=yes"), {"confirmed": "1"})
    row.refresh_from_db()

    assert "Give a reason" in refused
    assert before is None
    assert "MARKER" in ignored
    assert "The test account is gone." in page
    assert (row.state, row.acknowledged_reason) == ("waiting", "")
    # Not in the log, where nobody covers it and erasing a person does not look for it.
    assert not LogEntry.objects.filter(change_message__contains="test account").exists()


def test_many_become_an_operation_that_can_be_watched_and_stopped(operator, monkeypatch):
    monkeypatch.setattr("integrations.bulk.starting.AT_ONCE", 1)
    row = _fail(2)[0]

    response = operator.post(_bulk("retry", _cause_of(row).partition("?")[2]), {"confirmed": "1"})
    operation = BulkOperation.objects.get()
    page = _html(operator, response.headers["Location"])
    part = _html(
        operator, reverse("admin:integrations_bulkoperation_progress", args=[operation.pk])
    )
    operator.post(reverse("admin:integrations_bulkoperation_operate", args=[operation.pk, "stop"]))
    operation.refresh_from_db()

    assert _states() == ["failed", "failed"]
    assert "Waiting for a free worker." in page
    assert "data-goes-on" in part
    assert (operation.state, operation.total, operation.label) == (
        "stopped", 2, f"Retry deliveries: failed as permanent, connection {row.connection}",
    )  # fmt: skip


def test_an_operation_s_page_hides_the_cause_from_who_may_not_see_people(operator):
    row = _fail()[0]
    choice = {"connection": row.connection_id, "cause": "It was MARKER."}
    operation = BulkOperation.objects.create(kind="retry", choice=choice, label="Retry", upto=9, requested_by="ann", created_at=NOW)  # fmt: skip
    url = reverse("admin:integrations_bulkoperation_change", args=[operation.pk])
    client = Client()
    client.force_login(StaffUserFactory.create(permissions=["integrations.view_bulkoperation"]))

    assert "MARKER" in _html(operator, url)
    assert "MARKER" not in _html(client, url)


@pytest.mark.parametrize("kind", ["retry", "ignore"])
def test_who_may_only_look_neither_asks_nor_does(viewer, kind):
    row = _fail()[0]
    url = _bulk(kind, f"pk={row.pk}")

    assert viewer.get(url).status_code == 403
    assert viewer.post(url, {"confirmed": "1", "reason": "No."}).status_code == 403
    assert _bulk(kind).rstrip("?") not in _html(viewer, _cause_of(row))
    assert _states() == ["failed"]


def test_the_inbox_is_not_for_who_may_not_see_deliveries(client):
    client.force_login(StaffUserFactory.create(permissions=["integrations.view_rule"]))

    for url in (inbox_url(), _bulk("retry"), _cause_of(_fail()[0])):
        assert client.get(url).status_code == 403


def test_what_of_a_cause_is_gone_meanwhile_is_said(operator):
    row = _fail()[0]
    url = _cause_of(row)
    Delivery.objects.update(state="waiting", failure_class="", cause="")

    assert "Nothing of this cause is left" in _html_after(operator, url)


def _html_after(client: Client, url: str) -> str:
    return client.get(url, follow=True).content.decode()


def test_all_of_a_list_s_filter_is_asked_for_before_it_is_sent_again(operator):
    rule = RuleFactory.create()
    _fail(2, rule=rule)
    _fail()
    url = reverse("admin:integrations_delivery_changelist")
    query = f"rule__id__exact={rule.pk}&created_from=2026-11-20T00:00"
    html = _html(operator, f"{url}?{query}")

    response = operator.post(
        f"{url}?{query}", {"action": "retry", "_selected_action": ["1"], "select_across": "1"}
    )
    asked = _html(operator, response.headers["Location"])

    assert "Retry all of this filter" in html
    assert "Retry: 2 deliveries" in asked
    assert _states() == ["failed"] * 3


@pytest.mark.parametrize(
    "query", ["failure_class__exact=", "state__exact=", "state__exact=failed&state__exact=skipped"]
)
def test_a_list_that_no_form_says_is_not_chosen_as_a_whole(operator, query):
    _fail()
    url = f"{reverse('admin:integrations_delivery_changelist')}?{query}"

    assert "all of this filter" not in _html(operator, url)


def test_ids_and_moments_that_no_database_holds_are_refused_in_words(operator):
    row = _fail()[0]
    page = reverse("admin:integrations_delivery_changelist")

    far = _html(operator, inbox_url(), settled_from="0001-01-01T00:00:00+14:00")
    span = _html(operator, page, created_to="9999-12-31T23:00:00-12:00")
    rows = operator.get(_bulk("retry", f"pk={row.pk}&pk={'9' * 20}"), follow=True)

    assert "Give the moment as" in far
    assert "Give the moment as" in span
    assert "Choose up to 100 rows of the list." in rows.content.decode()
    assert _html(operator, page, q="9" * 5000)
    # SQLite cannot be asked for such a number, PostgreSQL knows no such row.
    assert operator.get(page, {"connection": "9" * 20}).status_code in {200, 302}


def test_a_cause_in_the_inbox_s_own_address_narrows_nothing(viewer):
    _fail()

    assert "MARKER" in _html(viewer, inbox_url(), cause="0123456789abcdef")


def test_what_a_search_finds_is_not_chosen_as_a_whole(operator):
    row = _fail()[0]
    url = f"{reverse('admin:integrations_delivery_changelist')}?q={row.pk}"
    html = _html(operator, url)

    said = operator.post(
        url, {"action": "retry", "_selected_action": [row.pk], "select_across": "1"}, follow=True
    )

    assert "Retry all of this filter" not in html
    assert "what a search finds cannot be chosen as a whole" in said.content.decode()
    assert _states() == ["failed"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"created_from": "2026-11-20T09:00", "created_to": "2026-11-20T09:01"}, True),
        ({"created_from": "2026-11-20T09:01"}, False),
        ({"kind": "booked"}, True),
        ({"kind": "canceled"}, False),
        ({"q": "maria@"}, True),
        ({"q": "jon@"}, False),
    ],
)
def test_deliveries_are_narrowed(viewer, query, found):
    row = _fail(event__invitee__email="Maria@example.com")[0]

    html = _html(viewer, reverse("admin:integrations_delivery_changelist"), **query)

    assert (reverse("admin:integrations_delivery_change", args=[row.pk]) in html) is found


def test_a_span_that_is_no_moment_is_said(viewer):
    _fail()

    html = _html(viewer, reverse("admin:integrations_delivery_changelist"), created_from="soon")

    assert "Give the moment as 2026-11-27T10:00 (UTC)." in html


def test_a_paused_connection_is_where_its_failures_are_mended(operator):
    row = _fail(failure_class="configuration")[0]
    Connection.objects.update(state="paused", state_changed_at=NOW + timedelta(minutes=1))

    assert f"Open the connection {row.connection}" in _html(operator, inbox_url())
