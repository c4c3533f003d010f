"""E-mail templates in the admin: what is refused on save, what takes whose place, and a preview that runs nothing."""

import json

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from integrations import accounts
from integrations.connectors.email.shipped import SHIPPED
from integrations.models import EmailTemplate, Rule
from tests.factories import ConnectionFactory, InviteeFactory, RuleFactory, StaffUserFactory

pytestmark = pytest.mark.django_db

ALL = tuple(f"integrations.{verb}_emailtemplate" for verb in ("view", "add", "change", "delete"))
LIST = "/admin/integrations/emailtemplate/"


SEES_PEOPLE = ("bookings.view_invitee", "bookings.view_personal_data")


def staff(*permissions):
    client = Client()
    client.force_login(StaffUserFactory.create(permissions=permissions))
    return client


@pytest.fixture
def writer():
    """Who may change templates and see people."""
    return staff(*ALL, *SEES_PEOPLE, "integrations.view_rule")


def given(**changes):
    words = {
        "name": "mine",
        "label": "Mine",
        "subject": "Hello {{ recipient.name }}",
        "text": "Text",
        "html": "",
    }
    return {**words, **changes}


def preview(client, name, **query):
    return client.get(reverse("admin:integrations_emailtemplate_preview", args=[name]), query)


def shown_html(response):
    return response.context["html"]


def test_the_shipped_templates_are_listed_with_the_rules_that_use_them(writer):
    mail = ConnectionFactory.create(provider="email", name="Mail")
    RuleFactory.create(
        name="Tell the host",
        connection=mail,
        action="send_email",
        options={"template": "host_notice", "to": ["host"]},
    )
    RuleFactory.create(name="Invite", connection=mail, action="send_invite", options={})

    page = writer.get(LIST).content.decode()

    assert all(item.label in page for item in SHIPPED.values())
    assert page.count("Tell the host") == 1
    assert page.count(">Invite<") == 3


def test_the_list_takes_as_many_queries_for_many_templates_as_for_one(writer):
    EmailTemplate.objects.create(**given())
    with CaptureQueriesContext(database) as one:
        writer.get(LIST)
    for number in range(5):
        EmailTemplate.objects.create(**given(name=f"more-{number}"))

    with CaptureQueriesContext(database) as many:
        writer.get(LIST)

    assert len(many) == len(one)


def test_a_change_begins_with_the_shipped_words_and_takes_their_place(writer):
    form = writer.get(f"{LIST}add/?name=confirmation").context["adminform"].form
    words = {name: form.initial[name] for name in ("name", "label", "subject", "text", "html")}

    saved = writer.post(f"{LIST}add/", {**words, "subject": "Ours"})

    assert saved.status_code == 302
    account = accounts.connector(ConnectionFactory.create(provider="email")).account
    assert account.templates["confirmation"].subject == "Ours"
    assert "shipped-title" in writer.get(LIST).content.decode()
    assert preview(writer, "confirmation").context["content"].subject == "Ours"


def test_deleting_ones_own_brings_the_shipped_one_back(writer):
    row = EmailTemplate.objects.create(**given(name="confirmation", subject="Ours"))

    writer.post(f"{LIST}{row.pk}/delete/", {"post": "yes"})

    assert preview(writer, "confirmation").context["content"].subject.startswith("Confirmed: ")


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"text": "a\n{% if x %}"}, "text", "in line 2"),
        ({"subject": "{{ recipient.nam }}"}, "subject", "recipient.nam"),
        ({"text": "{% if booking.is_canceled %}{{ oops }}{% endif %}"}, "text", "oops"),
        ({"text": "{% if not booking.is_canceled %}{{ oops }}{% endif %}"}, "text", "oops"),
        ({"html": "{{ invitee.name|safe }}"}, "html", "safe"),
        ({"html": "{% autoescape off %}{{ invitee.name }}{% endautoescape %}"}, "html", "autoescape"),
        ({"html": "{% include 'x' %}"}, "html", "include"),
        ({"html": "{% load static %}"}, "html", "load"),
        ({"text": "x" * 9_000}, "text", "longer than"),
        ({"name": "Mine"}, "name", "small letters"),
        ({"name": "a b"}, "name", "Enter a valid"),
    ],
)  # fmt: skip
def test_what_could_not_be_filled_in_is_refused_with_the_place(writer, changes, field, words):
    answer = writer.post(f"{LIST}add/", given(**changes))

    assert answer.status_code == 200
    assert words in " ".join(answer.context["adminform"].form.errors[field])
    assert not EmailTemplate.objects.exists()


@pytest.mark.parametrize("name", sorted(SHIPPED))
@pytest.mark.parametrize("role", ["host", "invitee"])
def test_every_shipped_template_can_be_saved_and_shown(writer, name, role):
    item = SHIPPED[name]
    words = {part: getattr(item, part) for part in ("name", "label", "subject", "text", "html")}

    saved = writer.post(f"{LIST}add/", words)
    content = preview(writer, name, to=role).context["content"]

    assert saved.status_code == 302
    assert content.subject
    assert "Product demo" in content.text
    assert content.notes == ()


def test_a_preview_is_filled_in_from_the_latest_booking_and_escapes_it(writer):
    InviteeFactory.create(
        name="<script>alert(1)</script>", email="ida@customer.example",
        answers=[{"question": "Wish {{ secret }}", "answer": "{% now 'Y' %}<img src=x onerror=alert(1)>"}],
    )  # fmt: skip

    response = preview(writer, "host_notice")
    page = response.content.decode()

    assert "<script>alert(1)" not in shown_html(response)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown_html(response)
    assert "{% now &#x27;Y&#x27; %}&lt;img src=x" in shown_html(response)
    assert "Wish {{ secret }}" in shown_html(response)
    assert 'sandbox=""' in page
    assert "default-src &#x27;none&#x27;" in page
    assert "<script>alert(1)" not in page


def test_who_may_not_see_people_previews_with_an_example(writer):
    invitee = InviteeFactory.create(name="Ida Secret")

    page = preview(staff(ALL[0]), "host_notice", meeting=str(invitee.chain_id)).content.decode()

    assert "Ida Secret" not in page
    assert "Ida Invitee" in page


@pytest.mark.parametrize(
    ("client_has", "name", "status"), [((), "confirmation", 403), (ALL, "nothing", 404)]
)
def test_a_preview_is_for_staff_and_of_what_there_is(client_has, name, status):
    assert preview(staff(*client_has), name).status_code == status


@pytest.mark.parametrize(
    ("action", "words"),
    [("send_email", ["template", "cc", "answer:&lt;question&gt;", "questionnaire_url"]), ("send_invite", ["usually host, invitee, guests", "usually invitation"])],
)  # fmt: skip
def test_a_rules_form_describes_the_options_of_each_action(db, action, words):
    mail = ConnectionFactory.create(provider="email", name="Mail")
    rule = RuleFactory.create(connection=mail, action=action, options={})
    client = staff("integrations.view_rule", "integrations.change_rule")

    page = client.get(reverse("admin:integrations_rule_change", args=[rule.pk])).content.decode()

    assert all(word in page for word in words)


@pytest.mark.parametrize(
    ("action", "options"),
    [
        ("send_email", {"template": "mine", "to": ["host"]}),
        ("send_invite", {"cancel_template": "mine"}),
    ],
)
def test_a_rule_is_saved_with_templates_that_there_are(db, action, options):
    mail = ConnectionFactory.create(provider="email", name="Mail")
    client = staff("integrations.view_rule", "integrations.add_rule", "integrations.change_rule")
    filled = {
        "name": "Tell", "enabled": "on", "kinds": ["booked"], "connection": mail.pk, "action": action,
        "options": json.dumps(options), "position": "0",
    }  # fmt: skip
    add = reverse("admin:integrations_rule_add")

    refused = client.post(add, filled).context["adminform"].form.errors["options"]
    EmailTemplate.objects.create(**given())
    client.post(add, filled)

    (told,) = refused
    assert "there is no e-mail template 'mine'" in told
    assert "confirmation" in told
    assert Rule.objects.get().options == options


def test_a_template_that_a_rule_sends_is_deleted_only_where_the_shipped_one_is_back(writer):
    mail = ConnectionFactory.create(provider="email", name="Mail")
    for name in ("mine", "confirmation"):
        EmailTemplate.objects.create(**given(name=name))
        RuleFactory.create(
            name=f"Tell {name}",
            connection=mail,
            action="send_email",
            options={"template": name, "to": ["host"]},
        )
    rows = EmailTemplate.objects.values_list("pk", flat=True)
    both = {"action": "delete_selected", "_selected_action": list(rows), "post": "yes"}

    page = writer.post(LIST, both).content.decode()
    for pk in list(rows):
        writer.post(reverse("admin:integrations_emailtemplate_delete", args=[pk]), {"post": "yes"})

    assert "Tell mine" in page
    assert "Tell confirmation" not in page
    assert [row.name for row in EmailTemplate.objects.all()] == ["mine"]


def test_a_connections_form_describes_its_settings_and_hides_the_password(db):
    mail = ConnectionFactory.create(
        provider="email", name="Mail", secrets={"password": "hidden-word"}
    )
    client = staff("integrations.view_connection", "integrations.change_connection")

    page = client.get(
        reverse("admin:integrations_connection_change", args=[mail.pk])
    ).content.decode()

    assert "from_address" in page
    assert "starttls" in page
    assert "hidden-word" not in page
