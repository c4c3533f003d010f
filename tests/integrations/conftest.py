"""Fixtures for the stations: a connection to the scripted connector, and one to Calendly."""

import pytest

from tests.factories import ConnectionFactory, RuleFactory, WebhookSubscriptionFactory
from tests.integrations.scripted import DOTTED_PATH, ScriptedConnector


@pytest.fixture(autouse=True)
def _scripted(settings):
    settings.CONNECTORS = {**settings.CONNECTORS, "scripted": DOTTED_PATH}
    ScriptedConnector.plays()


@pytest.fixture
def target(db):
    """A connection to the scripted connector."""
    return ConnectionFactory.create(provider="scripted", name="Target")


@pytest.fixture
def rule(target):
    """A rule that carries every change to the target."""
    kinds = ["booked", "rescheduled", "canceled", "no_show", "no_show_removed", "updated"]
    return RuleFactory.create(connection=target, action="write", kinds=kinds)


@pytest.fixture
def subscription(db):
    """A Calendly subscription whose key is `a-very-secret-signing-key`."""
    return WebhookSubscriptionFactory.create()
