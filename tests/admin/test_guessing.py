"""Passwords cannot be guessed at leisure."""

import pytest
from django.test import Client
from django.urls import reverse

from tests.factories import StaffUserFactory

pytestmark = pytest.mark.django_db

LOGIN = reverse("admin:login")


@pytest.fixture(autouse=True)
def _throttled(settings):
    settings.AXES_ENABLED = True


def _try(username, password, *, address="192.0.2.1", **headers):
    given = {"username": username, "password": password}
    return Client(REMOTE_ADDR=address, headers=headers).post(LOGIN, given)


@pytest.fixture
def pat():
    user = StaffUserFactory.create(username="pat")
    user.set_password("correct horse battery")
    user.save()
    return user


def test_after_too_many_failures_even_the_right_password_waits(pat, settings):
    for _ in range(settings.AXES_FAILURE_LIMIT):
        refused = _try("pat", "guess")

    right = _try("pat", "correct horse battery")

    assert refused.status_code == right.status_code == 429
    assert b"Wait 15 minutes" in right.content


def test_nobody_is_locked_out_by_a_stranger_elsewhere(pat, settings):
    for _ in range(settings.AXES_FAILURE_LIMIT):
        _try("pat", "guess", address="198.51.100.7")

    assert _try("pat", "correct horse battery").status_code == 302


def test_a_few_failures_cost_nothing(pat, settings):
    for _ in range(settings.AXES_FAILURE_LIMIT - 1):
        _try("pat", "guess")

    assert _try("pat", "correct horse battery").status_code == 302


def test_behind_a_proxy_the_address_is_what_the_proxy_saw(pat, settings):
    settings.CALSYNC_TRUST_PROXY = True
    for number in range(settings.AXES_FAILURE_LIMIT):
        _try("pat", "guess", address="10.0.0.1", x_forwarded_for=f"10.9.9.{number}, 198.51.100.7")

    stranger = _try("pat", "guess", address="10.0.0.1", x_forwarded_for="198.51.100.7")
    own = _try("pat", "correct horse battery", address="10.0.0.1", x_forwarded_for="192.0.2.1")

    assert (stranger.status_code, own.status_code) == (429, 302)
