"""Tokens in the admin: made, shown once, revoked."""

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from integrations.models import ApiToken
from tests.factories import StaffUserFactory

pytestmark = pytest.mark.django_db

ADD = "admin:integrations_apitoken_add"
ALL = [f"integrations.{verb}_apitoken" for verb in ("view", "add", "change")]


def signed_in(*permissions, **options):
    user = StaffUserFactory.create(permissions=permissions, **options)
    client = Client()
    client.force_login(user)
    return client, user


def key_in(response):
    [key] = re.findall(r'value="(calsync_[\w-]{40,})"', response.content.decode())
    return key


def form(user, **more):
    return {"name": "Nightly report", "user": user.pk, "expires_at_0": "", "expires_at_1": "", **more}  # fmt: skip


def test_a_token_is_shown_once_and_opens_the_api():
    client, user = signed_in(*ALL, "bookings.view_booking")

    made = client.post(reverse(ADD), form(user))

    key = key_in(made)
    token = ApiToken.objects.get()
    assert (token.user, token.created_by) == (user, user.get_username())
    assert "no-store" in made.headers["Cache-Control"]
    opened = Client().get("/api/v1/bookings", headers={"Authorization": f"Bearer {key}"})
    assert opened.status_code == 200
    later = [
        client.get(reverse(f"admin:integrations_apitoken_{page}", args=args)).content.decode()
        for page, args in (("changelist", ()), ("change", (token.pk,)))
    ]
    assert all(token.prefix in page and key not in page for page in later)
    assert not any(key in str(entry) for entry in LogEntry.objects.values())
    assert key not in str(dict(client.session.items())) + str(client.cookies)


def test_a_token_is_revoked_once_that_is_confirmed():
    client, user = signed_in(*ALL, "bookings.view_booking")
    key = key_in(client.post(reverse(ADD), form(user)))
    token = ApiToken.objects.get()
    url = reverse("admin:integrations_apitoken_operate", args=[token.pk, "revoke"])

    asked = client.post(url)
    before = ApiToken.objects.get().revoked_at
    client.post(url, {"confirmed": "1"})

    assert "refused from now on" in asked.content.decode()
    assert before is None
    answer = Client().get("/api/v1/bookings", headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 401
    assert LogEntry.objects.filter(change_message="Revoked.", object_id=token.pk).exists()


def test_nobody_makes_a_token_that_may_do_more_than_they():
    client, user = signed_in(*ALL)
    root = StaffUserFactory.create(is_superuser=True)

    refused = client.post(reverse(ADD), form(root))

    assert "Select a valid choice" in refused.content.decode()
    assert not ApiToken.objects.exists()
    superuser, _ = signed_in(is_superuser=True)
    superuser.post(reverse(ADD), form(user))
    assert ApiToken.objects.get().user == user


def test_a_token_that_could_never_be_used_is_not_made():
    client, user = signed_in(*ALL)

    past = {"expires_at_0": "2020-01-01", "expires_at_1": "00:00:00"}
    refused = client.post(reverse(ADD), form(user, **past))

    assert "This is in the past." in refused.content.decode()
    assert not ApiToken.objects.exists()


def test_who_may_only_look_makes_and_revokes_nothing():
    client, user = signed_in("integrations.view_apitoken")
    token = ApiToken.objects.create(name="x", user=user, digest="d", prefix="calsync_x", created_at="2026-11-20T09:00Z")  # fmt: skip
    url = reverse("admin:integrations_apitoken_operate", args=[token.pk, "revoke"])

    answers = [client.get(reverse(ADD)), client.post(reverse(ADD), form(user)), client.post(url, {"confirmed": "1"})]  # fmt: skip

    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert ApiToken.objects.get().revoked_at is None
