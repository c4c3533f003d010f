"""Who asks the REST API, and the document that its answers are held to."""

from collections.abc import Callable, Mapping
from typing import Any

import jsonschema
import pytest
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from integrations import tokens
from integrations.models import ApiToken
from tests.factories import NOW, StaffUserFactory

SERVED = (
    "bookings.view_booking",
    "bookings.view_invitee",
    "bookings.view_bookingevent",
    "bookings.view_host",
    "bookings.view_eventtype",
    "integrations.view_delivery",
)
PEOPLE = "bookings.view_personal_data"

Ask = Callable[..., Any]


def token_of(user, **options):
    """Return the key of a new token."""
    return tokens.issue(ApiToken(name="reports", user=user, **options), by="ada", now=NOW)


def asking(*permissions: str) -> Ask:
    """Return a function that asks the API by the token of a user with these permissions."""
    user = StaffUserFactory.create(permissions=permissions, is_staff=False)
    headers = {"Authorization": f"Bearer {token_of(user)}"}
    client = Client()

    def ask(path: str, method: str = "get", **query: Any) -> Any:
        return getattr(client, method)(f"/api/v1/{path}", query or None, headers=headers)

    return ask


@pytest.fixture
def ask(db: None) -> Ask:
    """Ask as somebody who may see everything."""
    return asking(*SERVED, PEOPLE)


@pytest.fixture(scope="session")
def schema() -> Mapping[str, Any]:
    """The OpenAPI document, without leave for fields that it does not name."""
    document: dict[str, Any] = SchemaGenerator().get_schema(public=True)
    for component in document["components"]["schemas"].values():
        if "properties" in component:
            component.setdefault("additionalProperties", False)
    return document


@pytest.fixture
def hold(schema) -> Callable[[str, Any], None]:
    """Hold an answer to what the document says of its component."""

    def check(name: str, answer: Any) -> None:
        told = {"$ref": f"#/components/schemas/{name}", "components": schema["components"]}
        checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
        jsonschema.Draft202012Validator(told, format_checker=checker).validate(answer)

    return check
