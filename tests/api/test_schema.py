"""The document tells the whole truth, its page asks no other host, and the examples of the docs work."""

import json
import re
import shlex
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from tests.api.conftest import PEOPLE, SERVED, asking, token_of
from tests.factories import DeliveryFactory, StaffUserFactory

DOCS = Path(__file__).parents[2] / "docs" / "api.md"


@pytest.mark.db_independent
def test_every_field_and_every_parameter_is_documented(schema):
    fields = {
        f"{name}.{field}": told.get("description")
        for name, component in schema["components"]["schemas"].items()
        for field, told in component.get("properties", {}).items()
        if field != "results"
    }
    parameters = {
        f"{path} {parameter['name']}": parameter.get("description")
        for path, operations in schema["paths"].items()
        for parameter in operations["get"]["parameters"]
        if parameter["in"] == "query"
    }

    silent = [name for name, told in (fields | parameters).items() if not told]

    assert silent == []
    assert len(fields) > 100
    assert {verb for operations in schema["paths"].values() for verb in operations} == {"get"}


@pytest.mark.db_independent
def test_the_example_is_what_the_document_says(schema, hold):
    content = schema["paths"]["/api/v1/bookings"]["get"]["responses"]["200"]["content"]

    [example] = content["application/json"]["examples"].values()

    hold("PaginatedBookingList", example["value"])


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "kind"), [({}, "yaml"), ({"format": "json"}, "json"), ({"format": "yaml"}, "yaml")]
)
def test_the_document_is_served_as_json_and_yaml(query, kind):
    response = asking(*SERVED)("schema", **query)

    assert response.status_code == 200
    assert kind in response.headers["Content-Type"] or kind == "yaml"
    assert (json.loads(response.content)["openapi"] if kind == "json" else response.content[:14]) in ("3.1.0", b"openapi: 3.1.0")  # fmt: skip


@pytest.mark.django_db
def test_the_page_loads_from_here_alone_and_asks_to_sign_in():
    client = Client()
    away = client.get(reverse("api_docs"))
    client.force_login(StaffUserFactory.create(permissions=SERVED))

    page, script = (client.get(reverse("api_docs"), query) for query in ({}, {"script": ""}))

    assert away.headers["Location"].startswith(reverse("admin:login"))
    assert (page.status_code, script.status_code) == (200, 200)
    addresses = re.findall(r'(?:src|href)="([^"]*)"', page.content.decode())
    assert len(addresses) >= 4
    assert all(address.startswith("/") for address in addresses), addresses
    assert b"https://" not in script.content


@pytest.mark.django_db
def test_the_examples_of_the_docs_work():
    DeliveryFactory.create(failed=True)
    key = token_of(StaffUserFactory.create(permissions=[*SERVED, PEOPLE]))
    text = DOCS.read_text().replace("\\\n", " ")
    commands = [shlex.split(line) for line in text.splitlines() if line.startswith("curl ")]

    for _, address, option, header in commands:
        assert (option, header) == ("--header", "Authorization: Bearer $TOKEN")
        path = address.removeprefix("$CALSYNC")
        response = Client().get(path, headers={"Authorization": f"Bearer {key}"})
        assert response.status_code == 200, (path, response.content)
    assert len(commands) >= 6
