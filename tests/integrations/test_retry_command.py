from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from integrations.models import BulkOperation, Delivery
from tests.factories import DeliveryFactory, RuleFactory

pytestmark = pytest.mark.django_db


def _run(*arguments: str) -> str:
    out = StringIO()
    call_command("retry", *arguments, stdout=out, skip_checks=True)
    return out.getvalue()


def _states() -> list[str]:
    return list(Delivery.objects.order_by("pk").values_list("state", flat=True))


def test_a_dry_run_shows_the_causes_and_changes_nothing():
    row = DeliveryFactory.create(failed=True, error="No channel “sales”.")

    said = _run("--dry-run")

    assert f"1  {row.connection}, permanent: No channel (…)." in said
    assert _states() == ["failed"]


@pytest.mark.parametrize(
    ("arguments", "states"),
    [
        ([], ["waiting", "waiting"]),
        (["--cause", "no CHANNEL"], ["waiting", "failed"]),
        (["--connection", "CRM"], ["failed", "waiting"]),
        (["--from", "2026-11-20T09:00", "--to", "2026-11-20T09:01"], ["waiting", "waiting"]),
        (["--to", "2026-11-20"], ["failed", "failed"]),
        (["--class", "crashed"], ["failed", "failed"]),
    ],
)
def test_what_fits_is_sent_again(arguments, states):
    DeliveryFactory.create(failed=True, error="No channel.")
    DeliveryFactory.create(failed=True, error="No way.", rule__connection__name="CRM")

    _run(*arguments)

    assert _states() == states


def test_many_are_worked_off_here(monkeypatch):
    monkeypatch.setattr("integrations.bulk.starting.AT_ONCE", 1)
    rule = RuleFactory.create()
    for _ in range(3):
        DeliveryFactory.create(failed=True, rule=rule)

    assert "3 will be sent again now." in _run()
    assert BulkOperation.objects.get().state == "done"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--connection", "CRM"], "No connection is called CRM"), (["--from", "soon"], "no moment")],
)
def test_what_is_not_understood_is_said(arguments, said):
    with pytest.raises(CommandError, match=said):
        _run(*arguments)
