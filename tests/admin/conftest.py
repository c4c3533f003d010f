"""Staff of three kinds: who may only look, who may operate, and who may do everything."""

import pytest
from django.test import Client

from tests.factories import StaffUserFactory

MODELS = (
    "bookings.booking",
    "integrations.delivery",
    "integrations.inboundwebhook",
    "integrations.connection",
    "integrations.webhooksubscription",
    "integrations.rule",
    "integrations.backfillrun",
    "integrations.driftrun",
    "integrations.driftfinding",
    "integrations.interaction",
)


def _permissions(*verbs: str) -> list[str]:
    return [
        f"{app}.{verb}_{name}" for app, name in (m.split(".") for m in MODELS) for verb in verbs
    ]


def _client(*verbs: str) -> Client:
    client = Client()
    allowed = [*_permissions(*verbs), "bookings.view_personal_data"]
    client.force_login(StaffUserFactory.create(permissions=allowed))
    return client


@pytest.fixture
def viewer(db: None) -> Client:
    return _client("view")


@pytest.fixture
def operator(db: None) -> Client:
    return _client("view", "change", "add", "delete")


@pytest.fixture
def fake_provider(settings) -> str:
    settings.CONNECTORS = {
        **settings.CONNECTORS,
        "fake": "tests.admin.fake_connector.FakeConnector",
    }
    return "fake"
