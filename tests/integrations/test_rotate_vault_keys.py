"""Rotating the vault's keys: everything is sealed anew, and the old key can go."""

from io import StringIO

import pytest
from cryptography.fernet import Fernet
from django.apps import apps
from django.core.management import call_command
from django.db import connection as database

from integrations import erasure, interactions, vault
from integrations.connectors.base import Press
from integrations.errors import ConfigurationError
from integrations.models import Connection
from tests.factories import NOW, ConnectionFactory, WebhookSubscriptionFactory

pytestmark = pytest.mark.django_db

OLD, NEW, LOST = (Fernet.generate_key().decode() for _ in range(3))


@pytest.fixture
def sealed(settings):
    """One row of each kind, sealed with the old key; the new key is in front since."""
    settings.CALSYNC_VAULT_KEYS = [OLD]
    connection = ConnectionFactory.create(
        secrets={"access_token": "t"}, sealed_session=vault.seal({"token": "s"})
    )
    subscription = WebhookSubscriptionFactory.create(connection=connection, signing_key="k")
    request = erasure.request("ann@example.com", requested_by="olivia", now=NOW)
    press = Press(key="k", action="acknowledge", ids=(1,), organization="T1", user_id="U1", reply={"channel": "C1"})  # fmt: skip
    interactions.receive(connection, press, now=NOW)
    settings.CALSYNC_VAULT_KEYS = [NEW, OLD]
    return connection, subscription, request


def rotate():
    out = StringIO()
    call_command("rotate_vault_keys", stdout=out)
    return out.getvalue()


def test_everything_opens_without_the_old_key_afterwards(sealed, settings):
    connection, subscription, request = sealed

    said = rotate()

    settings.CALSYNC_VAULT_KEYS = [NEW]
    for row in sealed:
        row.refresh_from_db()
    assert connection.secrets == {"access_token": "t"}
    assert vault.unseal(connection.sealed_session) == {"token": "s"}
    assert subscription.signing_keys == {"current": "k"}
    assert request.email == "ann@example.com"
    assert "take the old keys away" in said
    assert [line.split() for line in said.splitlines()[:3]] == [
        ["1", "connections"], ["1", "webhook", "subscriptions"], ["1", "erasure", "requests"],
    ]  # fmt: skip


def test_without_it_the_old_key_is_still_needed(sealed, settings):
    settings.CALSYNC_VAULT_KEYS = [NEW]

    with pytest.raises(ConfigurationError):
        _ = sealed[0].secrets


def test_no_sealed_column_is_forgotten(sealed):
    before = _sealed()

    rotate()

    after = _sealed()
    assert set(after) >= {
        "Connection.sealed_secrets",
        "Connection.sealed_session",
        "WebhookSubscription.sealed_keys",
        "ErasureRequest.sealed_email",
        "Interaction.sealed_reply",
    }
    assert all(before[name] and after[name] != before[name] for name in after)


def _sealed():
    columns = [
        (model, field.name)
        for model in apps.get_app_config("integrations").get_models()
        for field in model._meta.concrete_fields
        if field.name.startswith("sealed_")
    ]
    return {
        f"{model.__name__}.{name}": list(
            model._default_manager.order_by("pk").values_list(name, flat=True)
        )
        for model, name in columns
    }


def test_a_row_that_no_key_opens_is_named_and_holds_up_no_other(sealed, settings):
    settings.CALSYNC_VAULT_KEYS = [LOST]
    lost = ConnectionFactory.create(secrets={"access_token": "lost"})
    kept = lost.sealed_secrets
    settings.CALSYNC_VAULT_KEYS = [NEW, OLD]
    said = StringIO()

    with pytest.raises(SystemExit) as stop:
        call_command("rotate_vault_keys", stdout=StringIO(), stderr=said)

    assert stop.value.code == 1
    assert f"No key opens connection #{lost.pk}." in said.getvalue()
    lost.refresh_from_db()
    assert lost.sealed_secrets == kept
    settings.CALSYNC_VAULT_KEYS = [NEW]
    sealed[0].refresh_from_db()
    assert sealed[0].secrets == {"access_token": "t"}


def test_doing_it_again_is_harmless(sealed):
    rotate()
    rotate()

    sealed[0].refresh_from_db()
    assert sealed[0].secrets == {"access_token": "t"}


def test_a_token_that_is_renewed_meanwhile_is_kept(sealed):
    """Renew a token between the listing of the rows and the lock of this one."""
    renewed = Renewal(sealed[0])

    with database.execute_wrapper(renewed):
        rotate()

    sealed[0].refresh_from_db()
    assert renewed.done
    assert sealed[0].secrets == {"access_token": "renewed"}


class Renewal:
    """Store a new token right before the connection's row is read to be sealed anew."""

    def __init__(self, connection):
        self.connection = connection
        self.done = False

    def __call__(self, execute, sql, params, many, context):
        if not self.done and '"sealed_secrets"' in sql.partition(" FROM ")[0]:
            self.done = True
            self.connection.set_secrets({"access_token": "renewed"})
            Connection.objects.filter(pk=self.connection.pk).update(
                sealed_secrets=self.connection.sealed_secrets
            )
        return execute(sql, params, many, context)
