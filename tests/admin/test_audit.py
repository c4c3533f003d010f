import logging
from datetime import timedelta

import pytest
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from integrations.models import Connection
from tests.factories import NOW, ConnectionFactory, DeliveryFactory, StaffUserFactory

pytestmark = pytest.mark.django_db

LIST = "admin:admin_logentry_changelist"


def _note(user, row, message: str, *, flag: int = CHANGE, at=NOW) -> LogEntry:
    LogEntry.objects.log_actions(
        user_id=user.pk, queryset=[row], action_flag=flag, change_message=message
    )
    entry = LogEntry.objects.latest("pk")
    LogEntry.objects.filter(pk=entry.pk).update(action_time=at)
    return entry


@pytest.fixture
def reader(db: None) -> Client:
    client = Client()
    client.force_login(StaffUserFactory.create(permissions=["admin.view_logentry"]))
    return client


def _html(client: Client, **query: str | int) -> str:
    return client.get(reverse(LIST), query).content.decode()


def test_it_says_who_did_what_to_which_row(reader):
    olga, delivery = StaffUserFactory.create(username="olga"), DeliveryFactory.create()
    _note(olga, delivery, "Retried.")

    html = _html(reader)

    assert "olga" in html
    assert "Retried." in html
    assert reverse("admin:integrations_delivery_change", args=[delivery.pk]) in html


def test_it_is_narrowed_by_person_kind_and_day(reader):
    olga, piet = StaffUserFactory.create(), StaffUserFactory.create()
    row = ConnectionFactory.create()
    _note(olga, row, "Paused by Olga.")
    _note(piet, row, "Paused by Piet.", flag=DELETION, at=NOW - timedelta(days=1))

    shown = [
        ("Olga." in html, "Piet." in html)
        for html in (
            _html(reader, user__id__exact=olga.pk),
            _html(reader, action_flag__exact=DELETION),
            _html(reader, day="2026-11-20"),
            _html(reader, day="yesterday"),
        )
    ]

    assert shown == [(True, False), (False, True), (True, False), (True, True)]


def test_it_is_only_read(reader):
    entry = _note(StaffUserFactory.create(), ConnectionFactory.create(), "Paused.")

    assert reader.get(reverse("admin:admin_logentry_change", args=[entry.pk])).status_code == 200
    assert reader.get(reverse("admin:admin_logentry_delete", args=[entry.pk])).status_code == 403
    assert reader.get(reverse("admin:admin_logentry_add")).status_code == 403


def test_its_queries_do_not_grow_with_its_rows(reader):
    user = StaffUserFactory.create()
    _note(user, ConnectionFactory.create(), "Paused.")
    _html(reader)
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(database) as captured:
            _html(reader)
        counts.append(len(captured))
        for _ in range(3):
            _note(user, ConnectionFactory.create(), "Paused.")

    assert counts[0] == counts[1]


def test_a_changed_connection_names_the_fields_and_never_what_they_hold(admin_client):
    connection = ConnectionFactory.create(provider="slack")
    page = reverse("admin:integrations_connection_change", args=[connection.pk])
    form = {
        "name": "Renamed",
        "settings": "{}",
        "parallelism": "1",
        "secret_bot_token": "xoxb-hush",
    }

    admin_client.post(page, form)

    entry = LogEntry.objects.get()
    assert Connection.objects.get().name == "Renamed"
    assert "Name" in entry.get_change_message()
    assert "hush" not in f"{entry.change_message}{entry.object_repr}"


def test_who_signs_in_is_noted():
    user = StaffUserFactory.create(username="olga")

    Client().post(reverse("admin:login"), {"username": "olga", "password": "password"})

    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_id, entry.get_change_message()) == (
        user,
        str(user.pk),
        "Signed in.",
    )


def test_who_fails_to_sign_in_is_a_line_in_the_log_and_no_row(caplog):
    user = StaffUserFactory.create(username="olga")

    with caplog.at_level(logging.WARNING, logger="integrations.admin.signing_in"):
        Client().post(reverse("admin:login"), {"username": "olga", "password": "hush"})
        Client().post(reverse("admin:login"), {"username": "my password", "password": "hush"})

    assert not LogEntry.objects.exists()
    assert [record.getMessage() for record in caplog.records] == [
        f"Sign-in failed: user={user.pk} from=127.0.0.1",
        "Sign-in failed: user=unknown from=127.0.0.1",
    ]
