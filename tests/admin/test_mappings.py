"""The field mapping page: what is checked, what is kept when it cannot be saved, and what a row would bring."""

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from integrations import accounts
from integrations.models import FieldMapping, MappedField
from integrations.sandbox.control_client import SandboxControl
from tests.factories import ConnectionFactory, InviteeFactory, StaffUserFactory

pytestmark = pytest.mark.django_db

MAY = (
    "integrations.view_connection",
    "integrations.change_connection",
    "bookings.view_invitee",
    "bookings.view_personal_data",
)
OBJECTS = ("Lead", "Contact", "Event")


def staff(*permissions):
    client = Client()
    client.force_login(StaffUserFactory.create(permissions=permissions))
    return client


@pytest.fixture
def editor():
    """Who may change connections and see people."""
    return staff(*MAY)


@pytest.fixture
def salesforce(server, settings):
    server.reset()
    settings.SALESFORCE_LOGIN_URL = f"{server.url}/salesforce"
    return ConnectionFactory.create(
        provider="salesforce",
        name="Acme Salesforce",
        secrets={
            "client_id": server.state.config.salesforce_client_id,
            "client_secret": server.state.config.salesforce_client_secret,
        },
    )


@pytest.fixture
def control(server):
    with SandboxControl(server.url) as control:
        yield control


def page_of(connection):
    return reverse("admin:integrations_connection_mapping", args=[connection.pk])


def row(field, source, argument="", mode="if_empty", delete=False):
    return {
        "field": field, "source": source, "argument": argument, "write_mode": mode, **({"DELETE": "on"} if delete else {}),
    }  # fmt: skip


def typed(act="save", **rows):
    """Return the page's form as a browser sends it."""
    data = {"act": act}
    for name in OBJECTS:
        given = rows.get(name, [])
        data |= {f"{name}-TOTAL_FORMS": len(given), f"{name}-INITIAL_FORMS": 0}
        for number, values in enumerate(given):
            data |= {f"{name}-{number}-{key}": value for key, value in values.items()}
    return data


def tables(response):
    return {table.object_type: table for table in response.context["tables"]}


def problems(response, name="Lead"):
    return [form.problem for form in tables(response)[name].formset.forms]


def stored(connection):
    return [
        (item.object_type, item.field, item.source, item.argument, item.write_mode)
        for item in FieldMapping.objects.filter(connection=connection)
    ]


def messages_of(response):
    return " ".join(str(message) for message in response.context["messages"])


def test_the_page_begins_with_the_default_mapping_and_stores_nothing(editor, salesforce):
    response = editor.get(page_of(salesforce))

    found = tables(response)
    assert list(found) == list(OBJECTS)
    assert all(table.is_default for table in found.values())
    assert [row.field for _, row in found["Event"].rows] == [
        "Subject", "StartDateTime", "EndDateTime", "Location", "Description", "ShowAs",
    ]  # fmt: skip
    content = response.content.decode()
    assert "FirstName (FirstName, text, up to 40)" in content
    assert "Answer to a question" in content
    assert stored(salesforce) == []


def test_rows_are_saved_logged_and_handed_to_the_connector(editor, salesforce):
    rows = [row("Title", "answer", "Job title"), row("City", "constant", "Berlin", "on_create")]

    response = editor.post(page_of(salesforce), typed(Lead=rows), follow=True)

    assert stored(salesforce) == [
        ("Lead", "Title", "answer", "Job title", "if_empty"),
        ("Lead", "City", "constant", "Berlin", "on_create"),
    ]
    assert "field mapping of Lead is saved" in messages_of(response)
    assert LogEntry.objects.get().change_message == "Changed the field mapping of Lead."
    assert salesforce.mapped_fields() == (
        MappedField(object_type="Lead", field="Title", source="answer", argument="Job title"),
        MappedField(object_type="Lead", field="City", source="constant", argument="Berlin", write_mode="on_create"),
    )  # fmt: skip
    found = tables(response)
    assert not found["Lead"].is_default
    assert found["Contact"].is_default


def test_an_error_stands_at_its_row_and_nothing_typed_is_lost(editor, salesforce):
    rows = [
        row("Title", "answer", "Job title", "always"),
        row("IsConverted", "constant", "true"),
        row("City", "template", "{% if %}"),
    ]

    response = editor.post(page_of(salesforce), typed(Lead=rows, Event=[row("Subject", "")]))

    assert response.status_code == 200
    first, second, third = problems(response)
    assert first == ""
    assert "cannot be written" in second
    assert "line 1" in third
    assert problems(response, "Event") == ["Choose a value."]
    assert [vars_of(row) for _, row in tables(response)["Lead"].rows] == rows
    assert stored(salesforce) == []
    assert "3 rows cannot be written" in messages_of(response)
    assert not LogEntry.objects.exists()


def vars_of(mapped):
    return {
        "field": mapped.field, "source": mapped.source, "argument": mapped.argument, "write_mode": mapped.write_mode,
    }  # fmt: skip


def test_a_ticked_row_goes_and_a_blank_one_is_nothing(editor, salesforce):
    rows = [row("Title", "invitee.name"), row("City", "", delete=True), row("", "")]

    editor.post(page_of(salesforce), typed(Lead=rows))

    assert [item[1] for item in stored(salesforce)] == ["Title"]


def test_deleting_every_row_brings_the_default_back(editor, salesforce):
    editor.post(page_of(salesforce), typed(Lead=[row("Title", "invitee.name")]))

    response = editor.post(page_of(salesforce), typed(), follow=True)

    assert stored(salesforce) == []
    assert tables(response)["Lead"].is_default


def test_a_row_is_added_where_it_is_wanted_and_what_was_typed_stays(editor, salesforce):
    rows = [row("Nonsense__c", "answer", "Half a ques")]

    response = editor.post(page_of(salesforce), typed("add:Lead", Lead=rows))

    forms = tables(response)["Lead"].formset.forms
    assert [form.given("argument") for form in forms] == ["Half a ques", ""]
    assert forms[1].given("write_mode") == "if_empty"
    assert stored(salesforce) == []


def test_the_default_is_put_back_on_the_page_and_counts_once_it_is_saved(editor, salesforce):
    editor.post(page_of(salesforce), typed(Event=[row("Subject", "invitee.name")]))

    shown = editor.post(
        page_of(salesforce), typed("reset:Event", Lead=[row("Title", "invitee.name")])
    )  # fmt: skip
    kept = stored(salesforce)
    by_default = [vars_of(row) for _, row in tables(shown)["Event"].rows]
    editor.post(page_of(salesforce), typed(Event=by_default))

    assert len(by_default) == 6
    assert [vars_of(row) for _, row in tables(shown)["Lead"].rows] == [row("Title", "invitee.name")]
    assert [item[0] for item in kept] == ["Event"]
    assert stored(salesforce) == []


def test_saving_the_same_again_changes_and_logs_nothing(editor, salesforce):
    rows = [row("Title", "invitee.name")]
    editor.post(page_of(salesforce), typed(Lead=rows))

    response = editor.post(page_of(salesforce), typed(Lead=rows), follow=True)

    assert "Nothing was changed" in messages_of(response)
    assert LogEntry.objects.count() == 1


def test_without_salesforce_the_page_works_and_keeps_what_was_typed(editor, salesforce, settings):
    settings.SALESFORCE_LOGIN_URL = "http://127.0.0.1:9/salesforce"
    rows = [row("Title", "answer", "Job title")]

    shown = editor.get(page_of(salesforce))
    response = editor.post(page_of(salesforce), typed(Lead=rows))

    assert "did not answer" in shown.context["trouble"]
    assert 'type="text" name="Lead-0-field"' in shown.content.decode()
    assert "Nothing was saved; what you typed is kept" in response.context["trouble"]
    assert [vars_of(row) for _, row in tables(response)["Lead"].rows] == rows
    assert stored(salesforce) == []


def test_a_field_that_vanished_is_marked_and_its_row_kept(editor, salesforce, control):
    control.salesforce_add_field("Lead", "Soon_Gone__c", length=20)
    editor.post(page_of(salesforce), typed(Lead=[row("Soon_Gone__c", "invitee.name")]))
    control.salesforce_remove_field("Lead", "Soon_Gone__c")
    accounts.connector(salesforce).check_mappings(salesforce.mapped_fields())

    response = editor.get(page_of(salesforce))

    (problem,) = problems(response)
    assert "Lead has no field Soon_Gone__c" in problem
    assert "Soon_Gone__c (cannot be written)" in response.content.decode()


def test_a_field_that_a_new_record_cannot_be_without_is_named(editor, salesforce, control):
    control.salesforce_add_field("Lead", "Region__c", length=20, required=True)

    response = editor.get(page_of(salesforce))

    assert tables(response)["Lead"].lacking == ["Region (Region__c)"]
    assert "cannot be created without Region (Region__c)" in response.content.decode()


def test_each_row_shows_what_it_would_bring_of_a_meeting(editor, salesforce):
    InviteeFactory.create(name="Older Olga", email="olga@x.example")
    newest = InviteeFactory.create(name="Nina Newest", email="nina@x.example", answers=[{"question": "Size", "answer": "10-50"}])  # fmt: skip
    rows = [
        row("Title", "invitee.name"), row("NumberOfEmployees", "answer", "Size"), row("Titel", "invitee.email"),
    ]  # fmt: skip

    newest_shown = editor.post(page_of(salesforce), typed("show", Lead=rows))
    older = next(
        invitee for invitee in newest_shown.context["recent"] if invitee.name == "Older Olga"
    )
    shown = editor.post(
        page_of(salesforce), {**typed("show", Lead=rows), "preview": older.chain_id}
    )
    none = editor.post(page_of(salesforce), {**typed("show", Lead=rows), "preview": ""})

    first, second, third = (form.preview for form in tables(newest_shown)["Lead"].formset.forms)
    assert first["text"] == newest.name
    assert second["text"] == ""
    assert "is no whole number" in second["notes"][0]
    assert third["text"] == "nina@x.example"
    assert tables(shown)["Lead"].formset.forms[0].preview["text"] == "Older Olga"
    assert tables(none)["Lead"].formset.forms[0].preview is None
    assert stored(salesforce) == []


def test_people_are_shown_to_nobody_who_may_not_see_them(salesforce):
    invitee = InviteeFactory.create(name="Secret Sam")
    client = staff("integrations.change_connection", "integrations.view_connection")

    for given in ({}, {"preview": invitee.chain_id}):
        response = client.get(page_of(salesforce), given)
        assert "Secret Sam" not in response.content.decode()
        assert response.context["recent"] == []


def test_an_erased_person_is_no_example(editor, salesforce):
    InviteeFactory.create(name="", erased_at="2026-11-20T00:00:00Z", email="")

    assert editor.get(page_of(salesforce)).context["recent"] == []


def test_who_may_not_change_connections_is_refused_and_led_nowhere(salesforce):
    viewer = staff("integrations.view_connection")
    connection_page = reverse("admin:integrations_connection_change", args=[salesforce.pk])

    assert viewer.get(page_of(salesforce)).status_code == 403
    assert viewer.post(page_of(salesforce), typed()).status_code == 403
    assert page_of(salesforce) not in viewer.get(connection_page).content.decode()


def test_a_forged_request_is_refused(salesforce):
    client = Client(enforce_csrf_checks=True)
    client.force_login(StaffUserFactory.create(is_superuser=True))

    assert client.post(page_of(salesforce), typed(Lead=[row("Title", "invitee.name")])).status_code == 403  # fmt: skip
    assert stored(salesforce) == []


def test_the_connections_page_leads_to_it_where_there_is_something_to_map(editor, salesforce):
    slack = ConnectionFactory.create(provider="slack")

    for connection, leads in ((salesforce, True), (slack, False)):
        page = reverse("admin:integrations_connection_change", args=[connection.pk])
        assert (page_of(connection) in editor.get(page).content.decode()) is leads
    assert editor.get(page_of(slack)).status_code == 404
    assert editor.get(reverse("admin:integrations_connection_mapping", args=[0])).status_code == 404


@pytest.mark.parametrize(
    "change",
    [
        {"Lead-TOTAL_FORMS": "x"},
        {"Lead-TOTAL_FORMS": "999999"},
        {"Lead-0-write_mode": "sometimes"},
        {"Lead-0-field": "F" * 200},
    ],
)
def test_a_form_that_no_browser_sends_deletes_nothing(editor, salesforce, change):
    editor.post(page_of(salesforce), typed(Lead=[row("Title", "invitee.name")]))
    before = stored(salesforce)

    response = editor.post(
        page_of(salesforce), {**typed(Lead=[row("City", "invitee.name")]), **change}
    )  # fmt: skip

    assert response.status_code == 200
    assert stored(salesforce) == before


def test_secrets_that_cannot_be_read_lead_back_to_the_connection(editor, salesforce):
    salesforce.sealed_secrets = "not sealed by any key of ours"
    salesforce.save(update_fields=["sealed_secrets"])

    response = editor.get(page_of(salesforce), follow=True)

    assert response.redirect_chain[0][0] == reverse(
        "admin:integrations_connection_change", args=[salesforce.pk]
    )
