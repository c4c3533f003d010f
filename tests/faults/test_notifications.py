"""A worker killed while it tells staff: what it said is found, and not said again."""

import pytest
from django.utils import timezone

from integrations import notifications
from integrations.models import Connection, Notification, NotificationChannel

pytestmark = [pytest.mark.fault, pytest.mark.slow]


@pytest.mark.parametrize("take_effect", [True, False])
def test_a_worker_killed_while_it_tells_staff(machine, take_effect):
    machine.sandbox.add_fault(
        "slack", "timeout", match={"path_contains": "chat.postMessage"}, seconds=60, take_effect=take_effect
    )  # fmt: skip
    channel = NotificationChannel.objects.create(
        name="Staff", connection=Connection.objects.get(provider="slack"), options={"channel": "#sales"}
    )  # fmt: skip
    row = notifications.by_hand(channel, Notification.Kind.TEST, now=timezone.now())
    machine.start("worker", "beat")
    machine.until_faults_are_used()

    machine.kill("worker")
    machine.start("worker")

    told = Notification.objects.filter(pk=row.pk, state="sent")
    machine.until(told.exists, "it was told")
    (message,) = machine.cards()
    row.refresh_from_db()
    assert (row.remote_id, row.attempt_count) == (message["ts"], 2)
