"""`manage.py salesforce`: what is missing in the organisation, on a terminal."""

import io

import pytest
from django.core.management import CommandError, call_command

from integrations.sandbox import SandboxServer
from integrations.sandbox.salesforce.schema import external_id
from tests.factories import ConnectionFactory
from tests.salesforce_granting import APP, point_to

pytestmark = pytest.mark.django_db
EXT = "Calendly_Invitee_UUID__c"


@pytest.fixture(autouse=True)
def org(server: SandboxServer, settings):
    server.reset()
    point_to(server, settings)
    return server.state.salesforce


@pytest.fixture
def connection(org):
    return ConnectionFactory.create(provider="salesforce", name="Harbor", settings={}, secrets=APP)


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("salesforce", *arguments, stdout=out)
    return out.getvalue()


def test_it_is_silent_about_nothing_and_ends_well_where_all_is_there(connection):
    assert run("setup", "Harbor").startswith(f"ok      Event.{EXT}: ")


def test_what_is_missing_is_printed_and_fails(connection, org, capsys):
    org.change_field("Event", remove=EXT)
    out = io.StringIO()

    with pytest.raises(CommandError, match="1 of 1 missing"):
        call_command("salesforce", "setup", "Harbor", stdout=out)

    assert f"MISSING Event.{EXT}: Missing, or hidden" in out.getvalue()
    assert "Add the field: Setup > Object Manager" in out.getvalue()
    connection.refresh_from_db()
    assert [item["ok"] for item in connection.requirements["items"]] == [False]

    org.change_field("Event", add=external_id())
    run("setup", "Harbor")
    connection.refresh_from_db()
    assert [item["ok"] for item in connection.requirements["items"]] == [True]


def test_an_unknown_name_tells_those_there_are(connection):
    with pytest.raises(CommandError, match="There are: “Harbor”"):
        run("setup", "Other")


def test_a_refusal_is_told_with_what_to_do(connection, org):
    org.config.salesforce_client_secret = "another"

    with pytest.raises(CommandError, match="client secret"):
        run("setup", "Harbor")
