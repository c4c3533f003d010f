"""The order of rules: places from 1 without gaps, each held by one rule."""

from django.db import transaction
from django.utils import timezone

from integrations.models import Rule


@transaction.atomic
def place(rule: Rule, *, at: int | None = None) -> None:
    """Put a rule at a place, the first being 1, or leave it where it stands; every place is unique then, and none is free."""
    rows = list(Rule.objects.select_for_update(of=("self",), no_key=True))
    if at is not None:
        rows.sort(key=lambda row: row.pk == rule.pk)
        rows.insert(max(at, 1) - 1, rows.pop())
    moved = [row for number, row in enumerate(rows, 1) if row.position != number]
    for number, row in enumerate(rows, 1):
        row.position = number
        if row.pk == rule.pk:
            rule.position = number
    if moved:
        Rule.objects.bulk_update(moved, ["position"])


@transaction.atomic
def move(rule: Rule, *, by: int) -> bool:
    """Move a rule some places down, or up where `by` is negative; return False where it stands at the end already."""
    place(rule)
    at = rule.position + by
    if not 1 <= at <= Rule.objects.count():
        return False
    place(rule, at=at)
    return True


def switch(rule: Rule, *, on: bool) -> bool:
    """Switch a rule on or off; return False where it was so already. The clock begins anew with one that is switched on."""
    if rule.enabled is on:
        return False
    rule.enabled, rule.updated_at = on, timezone.now()
    rule.save(update_fields=["enabled", "updated_at"])
    return True
