"""Forms from typed models: a field for each thing, errors at their fields, and the JSON that is stored."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django import forms
from django.conf import settings
from django.urls import reverse

from integrations.admin.typed_fields import collect, form_fields
from integrations.admin.typed_texts import JSONText, LinesText, PairsText
from integrations.connectors.base import connector_class
from integrations.models import NotificationChannel, Rule
from integrations.options import Options
from integrations.recipes import recipes
from integrations.recipes.shape import answered
from integrations.sources.base import get_source
from tests.factories import ConnectionFactory, RuleFactory, StaffUserFactory

pytestmark = pytest.mark.django_db

ADD = "admin:integrations_rule_add"

RECIPES = [recipes()[name] for name in ("brevo", "lever", "vitally")]

#: Options as the manual and other tests write them, by model.
EXAMPLES: dict[str, list[dict[str, Any]]] = {
    "SlackOptions": [
        {"channel": "#sales"},
        {"routes": [{"when": {"event_type": "Demo"}, "channel": "#demos"}], "mask_email": False},
        {"channel": "@host", "mask_email": True, "show_answers": True},
    ],
    "SlackNoticeOptions": [{"channel": "#consulting"}],
    "SendEmailOptions": [
        {"template": "hiring_manager", "to": ["answer:Hiring manager", "jobs@company.example"]},
        {"template": "questionnaire", "to": ["invitee"], "cc": [], "questionnaire_url": "https://a.example/q"},
    ],
    "SendInviteOptions": [{"to": ["invitee"]}, {"cancel_template": "canceled", "template": "mine"}],
    "EmailNoticeOptions": [{"to": ["ops@company.example", "boss@company.example"]}],
    "EmailSettings": [{"host": "mail.example.com", "port": 465, "security": "tls", "from_address": "a@b.example"}],
    "RestSettings": [dict(role.connection.settings) for recipe in RECIPES for role in recipe.roles.values() if role.connection],
    "RestOptions": [
        *(answered(rule.options, {"list": 2, "lever_user": "u1"}) for recipe in RECIPES for rule in recipe.rules),
        {"create": {"method": "POST", "path": "/x"}, "keep": {"a": "{{ response.b }}", "c=d": "1"}, "update": None},
    ],
    "SalesforceSettings": [
        {"login": "jwt", "login_url": "https://acme.my.salesforce.com", "username": "i@b.example"},
        {"event_external_id_field": "", "free_mail_domains": ["web.de", "posteo.de"], "person_accounts": False},
    ],
    "SalesforceOptions": [{"link_opportunity": "only_open"}],
    "CampaignOptions": [{"campaign": "Autumn", "status_booked": "Booked"}],
    "TaskOptions": [{"days": 0, "subject": "Call {{ invitee.name }}", "moves": True}],
    "CaseOptions": [{"when_canceled": "leave"}],
    "LeadStatusOptions": [{"status": "Working", "only_from": ["New", "Open"]}],
    "WebhookSettings": [{"url": "https://erp.example/hook"}],
    "WebhookOptions": [{"include_contact": False}],
    "CalendlySettings": [{"backfill_days_back": 0, "nightly_backfill": True}],
}  # fmt: skip


def models() -> Iterator[type[Options]]:
    for name in settings.CONNECTORS:
        found = connector_class(name)
        yield from (found.settings_model, found.notice_options_model)
        yield from map(found.options_for, found.actions)
    yield from (get_source(name).settings_model for name in settings.SOURCES)


def is_empty(model):
    return not model.model_fields


KNOWN = sorted({model for model in models() if not is_empty(model)}, key=lambda one: one.__name__)


def is_sent(value):
    """Browsers send nothing for a box that is not ticked."""
    return value is not None and value is not False


def through(model, values):
    """What comes back of a form that is sent as it was shown."""
    fields = form_fields(model, values=values, choices={})
    form = type("Shown", (forms.Form,), fields)
    sent = {name: bound.value() for name, bound in ((one.name, one) for one in form())}
    filled = form({name: value for name, value in sent.items() if is_sent(value)})
    assert filled.is_valid(), filled.errors
    assert not filled.has_changed()
    return collect(model, entered=filled.cleaned_data, before=values)


@pytest.mark.db_independent
@pytest.mark.parametrize("model", KNOWN, ids=lambda one: one.__name__)
def test_what_is_shown_and_sent_back_stays_as_it_was(model):
    assert EXAMPLES[model.__name__], "has an example above"

    for values in EXAMPLES[model.__name__]:
        back = through(model, values)

        assert json.dumps(back) == json.dumps(values)


@pytest.mark.db_independent
@pytest.mark.parametrize("model", KNOWN, ids=lambda one: one.__name__)
def test_every_field_says_what_it_is_for_and_json_has_an_example(model):
    for name, one in form_fields(model, values={}, choices={}).items():
        assert one.label
        assert one.help_text, name
        assert not isinstance(one, JSONText) or "Example" in one.help_text
    grouped = [name for names in model.sections.values() for name in names]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) <= model.model_fields.keys()


@pytest.mark.db_independent
@pytest.mark.parametrize(
    ("entered", "before", "stored"),
    [
        ({"days": 1, "status": ""}, {}, {}),
        ({"days": 5, "status": "Open"}, {}, {"days": 5, "status": "Open"}),
        ({"days": 1}, {"days": 1}, {"days": 1}),
        ({"days": 1}, {"days": 3}, {}),
        ({"days": None}, {"days": 3}, {}),
        ({"subject": ""}, {}, {"subject": ""}),
        ({"moves": True}, {"moves": False, "colour": "red"}, {"colour": "red"}),
    ],
)
def test_what_is_left_at_its_default_is_not_written(entered, before, stored):
    model = connector_class("salesforce").options_for("create_task")

    assert collect(model, entered=entered, before=before) == stored


@pytest.mark.db_independent
@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        (LinesText, " a \r\n\r\nb", ["a", "b"]),
        (LinesText, '["a\\nb"]', ["a\nb"]),
        (LinesText, "", []),
        (PairsText, "a = {{ x }}\r\nb=c=d", {"a": "{{ x }}", "b": "c=d"}),
        (PairsText, '{"a=b": "c"}', {"a=b": "c"}),
        (JSONText, '{"a": null}', {"a": None}),
    ],
)
def test_texts_are_read(field, text, value):
    assert field(value=[], required=False).clean(text) == value


@pytest.mark.db_independent
@pytest.mark.parametrize(
    ("field", "text", "told"),
    [(PairsText, "a = b\nc", "this has no “=”: c"), (JSONText, "{oops", "This is no JSON")],
)
def test_texts_that_cannot_be_read_are_explained(field, text, told):
    with pytest.raises(forms.ValidationError, match=told):
        field(value={}, required=False).clean(text)


def sent(page) -> dict[str, Any]:
    """What a browser would send of a page's form."""
    form = page.context["adminform"].form
    data: dict[str, Any] = {}
    for bound in form:
        value = bound.value()
        if is_sent(value):
            data[bound.html_name] = value
    widget = form.fields[form.truth].widget
    return {**data, f"{form.truth}-for": widget.mark, f"{form.truth}-shown": widget.shown}


def page_of(row) -> str:
    options = row._meta
    return reverse(f"admin:{options.app_label}_{options.model_name}_change", args=[row.pk])


@pytest.fixture
def slack():
    return ConnectionFactory.create(provider="slack", name="Slack")


@pytest.fixture
def rule(slack) -> Rule:
    return RuleFactory.create(
        name="Cards", connection=slack, action="post_card", options={"channel": "#sales", "mask_email": True}
    )  # fmt: skip


def errors_of(response):
    assert response.status_code == 200
    return {name: list(told) for name, told in response.context["adminform"].form.errors.items()}


def test_a_rule_is_made_without_any_json(operator, slack):
    start = operator.get(reverse(ADD)).content.decode()
    url = f"{reverse(ADD)}?connection={slack.pk}&action=post_card"
    assert url.replace("&", "&amp;") in start
    filled = sent(operator.get(url)) | {"options__channel": "#sales", "options__show_utm": "on"}

    operator.post(url, filled)

    made = Rule.objects.get()
    assert made.options == {"channel": "#sales", "show_utm": True}
    assert made.name == "Slack: Post and keep up to date one card per meeting"
    assert made.kinds == ["booked", "rescheduled", "canceled"]


def test_a_page_that_is_saved_as_it_is_changes_nothing(operator, rule):
    response = operator.post(page_of(rule), sent(operator.get(page_of(rule))))

    rule.refresh_from_db()
    assert response.status_code == 302
    assert rule.options == {"channel": "#sales", "mask_email": True}


@pytest.mark.parametrize(
    ("entered", "field", "told"),
    [
        ({"options__channel": "sales"}, "options__channel", "'sales' is no place in Slack: write #name, a channel's id such as C0123456789, or @host."),
        ({"options__routes": '[{"when": {}, "channel": "#a"}]'}, "options__routes", "0.when: give one of event_type (name, slug or URI), host (e-mail address), team (Calendly group), or question with answer or contains; for more, write another route."),
        ({"options__routes": "[oops"}, "options__routes", "This is no JSON: Expecting value: line 1 column 2 (char 1)."),
        ({"options__channel": ""}, "__all__", "say where the card goes: give a channel, or routes."),
    ],
)  # fmt: skip
def test_an_error_stands_at_its_field_and_nothing_is_lost(operator, rule, entered, field, told):
    response = operator.post(page_of(rule), sent(operator.get(page_of(rule))) | entered)

    assert errors_of(response) == {field: [told]}
    name, text = next(iter(entered.items()))
    assert response.context["adminform"].form[name].value() == text


def test_all_that_is_wrong_is_told_at_once(operator, rule):
    wrong = {"options__channel": "sales", "options__routes": "[oops"}

    response = operator.post(page_of(rule), sent(operator.get(page_of(rule))) | wrong)

    assert errors_of(response).keys() == wrong.keys()


def test_the_json_counts_where_it_was_changed(operator, rule):
    filled = sent(operator.get(page_of(rule))) | {"options": '{"channel": "#other"}'}

    operator.post(page_of(rule), filled)

    rule.refresh_from_db()
    assert rule.options == {"channel": "#other"}


def test_both_changed_is_asked_about_and_the_emptied_json_gives_way(operator, rule):
    both = {"options": '{"channel": "#json"}', "options__channel": "#field"}
    filled = sent(operator.get(page_of(rule))) | both

    asked = operator.post(page_of(rule), filled)
    operator.post(page_of(rule), filled | {"options": ""})

    rule.refresh_from_db()
    assert errors_of(asked)["options"][0].startswith("Both the fields and this JSON were changed.")
    assert rule.options["channel"] == "#field"


def test_a_name_that_is_not_known_is_told_and_kept(operator, rule):
    Rule.objects.update(options={"channel": "#sales", "colour": "red"})
    filled = sent(operator.get(page_of(rule)))

    refused = operator.post(page_of(rule), filled)
    mended = operator.post(page_of(rule), filled | {"options": '{"channel": "#sales"}'})

    assert errors_of(refused) == {"options": ["colour: there is no such name."]}
    assert '"colour"' in refused.content.decode().replace("&quot;", '"')
    assert mended.status_code == 302


def test_wrong_json_is_mended_in_the_json(operator, rule):
    filled = sent(operator.get(page_of(rule)))

    refused = operator.post(page_of(rule), filled | {"options": '{"channel": "sales"}'})
    again = sent(refused) | {"options": '{"channel": "#right"}'}
    mended = operator.post(page_of(rule), again)

    rule.refresh_from_db()
    assert errors_of(refused)["options"][0].startswith("channel: ")
    assert mended.status_code == 302
    assert rule.options == {"channel": "#right"}


def test_another_action_shows_its_fields_before_anything_is_saved(operator, rule, fake_provider):
    crm = ConnectionFactory.create(provider=fake_provider, name="CRM")
    filled = sent(operator.get(page_of(rule))) | {"connection": crm.pk, "action": "add"}

    asked = operator.post(page_of(rule), filled)
    saved = operator.post(page_of(rule), sent(asked) | {"options__list_id": "7"})

    assert "has other fields" in errors_of(asked)["action"][0]
    assert asked.context["adminform"].form["options__at"].value() == "end"
    rule.refresh_from_db()
    assert saved.status_code == 302
    assert (rule.connection, rule.action, rule.options) == (crm, "add", {"list_id": "7"})


def test_templates_are_chosen_from_those_that_there_are(operator):
    mail = ConnectionFactory.create(provider="email", name="Mail")
    rule = RuleFactory.create(connection=mail, action="send_email", options={"template": "gone", "to": ["host"]})  # fmt: skip

    page = operator.get(page_of(rule))
    refused = operator.post(page_of(rule), sent(page))

    offered = dict(page.context["adminform"].form.fields["options__template"].choices)
    assert {"confirmation", "gone"} <= offered.keys()
    assert "there is no e-mail template 'gone'" in errors_of(refused)["options__template"][0]


def test_settings_are_filled_in_field_by_field(operator):
    mail = ConnectionFactory.create(provider="email", name="Mail", settings={})
    filled = sent(operator.get(page_of(mail)))

    refused = operator.post(page_of(mail), filled | {"settings__port": "0"})
    right = {"settings__host": "mail.example.com", "settings__from_address": "a@b.example"}
    operator.post(page_of(mail), filled | right)

    mail.refresh_from_db()
    assert errors_of(refused) == {
        "settings__host": ["This field is required."],
        "settings__from_address": ["This field is required."],
        "settings__port": ["Ensure this value is greater than or equal to 1."],
    }
    assert mail.settings == {"host": "mail.example.com", "from_address": "a@b.example"}


def test_a_token_that_would_go_elsewhere_is_told_at_the_address(operator):
    made = ConnectionFactory.create(
        provider="salesforce", settings={"login": "oauth", "login_url": "https://acme.my.salesforce.com"},
        secrets={"client_id": "id", "client_secret": "secret", "refresh_token": "granted"},
    )  # fmt: skip
    moved = {"settings__login_url": "https://other.my.salesforce.com", "secret_client_secret": "x"}

    response = operator.post(page_of(made), sent(operator.get(page_of(made))) | moved)

    assert "disconnect first" in errors_of(response)["settings__login_url"][0]


def test_a_channel_has_the_fields_of_its_connection(client, slack):
    client.force_login(StaffUserFactory.create(is_superuser=True))
    add = reverse("admin:integrations_notificationchannel_add")
    url = f"{add}?connection={slack.pk}"
    assert url in client.get(add).content.decode()
    filled = sent(client.get(url)) | {"name": "Desk", "sends_agenda": "on"}

    refused = client.post(url, filled | {"options__channel": "desk"})
    client.post(url, filled | {"options__channel": "#desk"})

    assert "is no channel" in errors_of(refused)["options__channel"][0]
    assert NotificationChannel.objects.get().options == {"channel": "#desk"}


def test_who_may_only_look_sees_settings_and_options_in_words(viewer, rule):
    mail = ConnectionFactory.create(
        provider="email", settings={"host": "mail.example.com", "security": "tls"}, secrets={"password": "hidden-word"}
    )  # fmt: skip

    connection, shown = (viewer.get(page_of(row)).content.decode() for row in (mail, rule))

    assert "<dt>Mail server</dt><dd>mail.example.com</dd>" in connection
    assert "<dt>Security</dt><dd>TLS</dd>" in connection
    assert "<dt>Channel</dt><dd>#sales</dd>" in shown
    for html in (connection, shown):
        assert "<textarea" not in html
        assert "secret_" not in html
    assert viewer.post(page_of(mail), {"settings": "{}"}).status_code == 403
