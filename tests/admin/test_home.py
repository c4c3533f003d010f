"""The first page: who sees which block, what it links to, and what it costs."""

import json

import pytest
from django.test import Client
from django.urls import reverse

from integrations.admin.error_inbox import inbox_url
from integrations.overview.needs import FINDERS
from tests.factories import (
    BackfillRunFactory,
    BookingFactory,
    ConnectionFactory,
    DeliveryFactory,
    InboundWebhookFactory,
    NotificationFactory,
    RuleFactory,
    StaffUserFactory,
    WebhookSubscriptionFactory,
)

pytestmark = pytest.mark.django_db

HOME = reverse("admin:index")
STATUS = reverse("home_status")


def client(*permissions: str, **user) -> Client:
    found = Client()
    found.force_login(StaffUserFactory.create(permissions=permissions, **user))
    return found


def page(*permissions: str, **user) -> str:
    return client(*permissions, **user).get(HOME).content.decode()


def test_a_stranger_reads_the_verdict_what_to_do_and_how_far_behind_each_connection_is():
    rule = RuleFactory.create(connection__name="Salesforce")
    DeliveryFactory.create(rule=rule, failed=True)
    DeliveryFactory.create(rule=rule)

    html = page(is_superuser=True)

    assert "things need you." in html
    assert "1 delivery to Salesforce failed" in html
    assert "Slack answered: channel_not_found." in html
    assert "Check the channel in the rule, then retry." in html
    assert "behind</span>" in html
    # What the card counts, the inbox counts; the list of deliveries shows what was replaced since, too.
    assert f"{inbox_url()}?connection={rule.connection_id}" in html


def test_every_need_leads_to_rows_that_can_be_opened():
    source = WebhookSubscriptionFactory.create(state="disabled")
    BackfillRunFactory.create(ended=True, state="failed", connection=source.connection)
    ConnectionFactory.create(state="paused")
    RuleFactory.create(paused_at="2026-11-20T09:00Z")
    DeliveryFactory.create(failed=True)
    InboundWebhookFactory.create(state="failed", subscription=source)
    staff = client(is_superuser=True)

    rows = [row for row in staff.get(HOME).context["needs"] if row.need.model]

    assert {row.need.model for row in rows} == {
        model for model, _ in FINDERS if model.__name__ not in {"MatchReview", "Notification"}
    }
    assert {staff.get(row.url).status_code for row in rows} == {200}


BLOCKS = {
    "bookings.view_booking": {"Bookings by day"},
    "integrations.view_delivery": {"Deliveries by hour", "delivery to Salesforce failed"},
    "integrations.view_connection": {"This installation</h2>", ">Connections<", "Sheets is paused"},
    "integrations.view_inboundwebhook": {"could not be read"},
    "integrations.view_rule": {"The rule “Card” is paused"},
    "integrations.view_webhooksubscription": {"A webhook subscription of"},
    "integrations.view_notification": {"reached nobody"},
    "integrations.view_backfillrun": {"The last backfill of"},
}


@pytest.mark.parametrize("permission", [*BLOCKS, "auth.view_group"])
def test_each_block_is_only_for_who_may_see_its_rows(permission):
    rule = RuleFactory.create(connection__name="Salesforce", name="Card", paused_at="2026-11-20T09:00Z")  # fmt: skip
    DeliveryFactory.create(rule=rule, failed=True)
    ConnectionFactory.create(state="paused", name="Sheets")
    source = WebhookSubscriptionFactory.create(state="disabled")
    BackfillRunFactory.create(ended=True, state="failed", connection=source.connection)
    InboundWebhookFactory.create(state="failed", subscription=source)
    failed = NotificationFactory.create(state="failed", failure_class="permanent")
    type(failed).objects.update(settled_at=source.connection.created_at)

    html = page(permission)

    shown = {words for words in set.union(*BLOCKS.values()) if words in html}
    assert shown == BLOCKS.get(permission, set())


def test_who_may_see_nothing_is_told_whom_to_ask():
    assert "Ask whoever looks after your account for a role." in page()
    assert client().get(STATUS).content.strip() == b""


def test_the_part_that_is_fetched_again_is_only_for_staff_who_are_signed_in():
    answer = Client().get(STATUS)

    assert answer.status_code == 302
    assert client("integrations.view_connection").post(STATUS).status_code == 405


def test_the_part_that_is_fetched_again_stands_in_the_page():
    staff = client(is_superuser=True)

    part = staff.get(STATUS).content.decode()

    assert "<html" not in part
    assert "data-goes-on" in part
    assert f'data-live="{STATUS}"' in staff.get(HOME).content.decode()


def test_what_an_error_says_is_hidden_from_who_may_not_see_people():
    DeliveryFactory.create(failed=True, error="Jane Doe is no member.")

    assert "(hidden)" in page("integrations.view_delivery")
    assert "Jane Doe" in page("integrations.view_delivery", "bookings.view_personal_data")
    assert "Jane Doe" not in page("integrations.view_delivery")


def test_what_others_wrote_is_escaped():
    ConnectionFactory.create(state="paused", name="<script>x", state_reason="<script>y")

    html = page(is_superuser=True)

    assert "<script>x" not in html
    assert "<script>y" not in html


def test_an_empty_installation_links_each_step_to_who_may_take_it():
    add = reverse("admin:integrations_connection_add")

    assert f'href="{add}"' in page(is_superuser=True)
    assert f'href="{add}"' not in page("integrations.view_connection")
    assert "What to do first" in page("integrations.view_connection")


def test_the_first_step_that_is_not_done_is_next():
    WebhookSubscriptionFactory.create()

    steps = client(is_superuser=True).get(HOME).context["steps"]

    assert [row.state for row in steps] == ["done", "done", "next", "later", "later"]


def test_the_charts_are_drawn_from_data_that_a_table_says_as_well():
    staff = client(is_superuser=True)
    now = staff.get(HOME).context["now"]
    BookingFactory.create_batch(3, start_at=now, hosts=[])

    answer = staff.get(HOME)

    chart = answer.context["charts"][0]
    assert sum(json.loads(chart.data)["datasets"][0]["data"]) == 3
    assert ("The numbers as a table" in answer.content.decode()) is True
    assert [numbers for label, numbers in chart.rows if "today" in label] == [[3, 0]]


def test_the_page_costs_as_many_queries_for_many_rows_as_for_few(django_assert_max_num_queries):
    def fill() -> None:
        source = WebhookSubscriptionFactory.create(state="disabled")
        BackfillRunFactory.create(ended=True, state="failed", connection=source.connection)
        InboundWebhookFactory.create(state="received", subscription=source)
        rule = RuleFactory.create(paused_at="2026-11-20T09:00Z", connection__state="paused")
        DeliveryFactory.create(rule=rule)
        DeliveryFactory.create(rule=rule, failed=True)
        DeliveryFactory.create(rule=rule, delivered=True)

    staff = client(is_superuser=True)
    fill()
    with django_assert_max_num_queries(60) as few:
        staff.get(HOME)

    for _ in range(3):
        fill()
    with django_assert_max_num_queries(len(few)) as many:
        staff.get(HOME)

    assert len(many) == len(few)
