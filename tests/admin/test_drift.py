"""Differences in the admin: compared on demand, written again or accepted, by who may."""

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from integrations import drift
from integrations.models import Connection, DriftFinding, DriftRun, RemoteRecord
from tests.factories import NOW, ConnectionFactory, DeliveryFactory, RuleFactory

pytestmark = pytest.mark.django_db

LIST = "admin:integrations_driftfinding_changelist"


@pytest.fixture
def connection(settings):
    path = "tests.integrations.test_drift.ComparingConnector"
    settings.CONNECTORS = {**settings.CONNECTORS, "comparing": path}
    return ConnectionFactory.create(provider="comparing", name="Harbor")


@pytest.fixture
def finding(connection):
    delivery = DeliveryFactory.create(
        rule=RuleFactory.create(connection=connection), delivered=True
    )
    data = {"kept": {"Subject": "Ours"}}
    RemoteRecord.objects.create(
        connection=connection, chain=delivery.chain, object_type="Event", remote_id="E1", data=data,
        content_hash="written",
    )  # fmt: skip
    run = DriftRun.objects.create(connection=connection, created_at=NOW, state="done", differing=1)
    return DriftFinding.objects.create(
        run=run, chain=delivery.chain, object_type="Event", remote_id="E1", created_at=NOW,
        url="https://harbor.example/E1", fields={"Subject": ["Ours", "<b>Theirs</b>"]},
    )  # fmt: skip


def operate(client, row, name):
    options = row._meta
    page = f"admin:{options.app_label}_{options.model_name}_operate"
    return client.post(reverse(page, args=[row.pk, name]), follow=True)


def test_the_list_shows_each_field_ours_and_theirs_as_text(viewer, finding):
    page = viewer.get(reverse(LIST)).content.decode()

    assert "<strong>Subject</strong>: Ours &rarr; &lt;b&gt;Theirs&lt;/b&gt;" in page
    assert 'href="https://harbor.example/E1"' in page


@pytest.mark.parametrize("row", ["finding", "run"])
def test_a_page_says_the_state_in_words(viewer, finding, row):
    page = {
        "finding": reverse("admin:integrations_driftfinding_change", args=[finding.pk]),
        "run": reverse("admin:integrations_driftrun_change", args=[finding.run_id]),
    }[row]

    shown = viewer.get(page).content.decode()

    assert {"finding": "found", "run": "done"}[row] in shown
    assert "(&#x27;" not in shown


def test_a_report_links_to_its_differences(viewer, finding):
    page = viewer.get(reverse("admin:integrations_driftrun_change", args=[finding.run_id]))

    link = f"{reverse(LIST)}?run__id__exact={finding.run_id}&amp;gone__exact=0"
    assert link in page.content.decode()
    assert viewer.get(link.replace("&amp;", "&")).status_code == 200


def test_an_operator_has_ours_written_again(operator, finding):
    page = operate(operator, finding, "repair").content.decode()

    finding.refresh_from_db()
    assert (finding.state, finding.delivery.state) == ("repair", "waiting")
    assert "written again now" in page
    assert LogEntry.objects.filter(object_id=str(finding.pk)).exists()


def test_an_operator_accepts_theirs(operator, finding):
    operate(operator, finding, "accept")

    finding.refresh_from_db()
    assert finding.state == "accepted"
    assert RemoteRecord.objects.get().data["kept"] == {"Subject": "<b>Theirs</b>"}


def test_many_are_decided_from_the_list(operator, finding):
    chosen = {"action": "repair", "_selected_action": [finding.pk]}

    operator.post(reverse(LIST), chosen)

    finding.refresh_from_db()
    assert finding.state == "repair"


def test_what_was_decided_offers_nothing_more(operator, finding):
    drift.accept([finding], by="ada")

    page = operator.get(reverse("admin:integrations_driftfinding_change", args=[finding.pk]))

    assert "Write ours again" not in page.content.decode()


def test_who_may_only_look_decides_nothing(viewer, finding):
    assert operate(viewer, finding, "repair").status_code == 403

    finding.refresh_from_db()
    assert finding.state == "found"


def test_a_connection_is_compared_on_demand(operator, connection):
    page = operate(operator, connection, "compare")

    run = DriftRun.objects.get()
    assert (run.connection, run.state) == (connection, "waiting")
    assert reverse("admin:integrations_driftrun_change", args=[run.pk]) in page.content.decode()


def test_comparing_is_offered_where_it_can_be_done(operator, connection, finding):
    page = reverse("admin:integrations_connection_change", args=[connection.pk])
    assert "Compare now" in operator.get(page).content.decode()

    Connection.objects.update(provider="slack")
    assert "Compare now" not in operator.get(page).content.decode()
