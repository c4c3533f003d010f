"""What was changed in a rule: before and after of each thing, as the history of the rule shows it.

It is kept in Django's own form of a change message, whose readers show the names of the fields and leave the rest alone.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.db import transaction

from integrations import clock, conditions
from integrations.models import Rule
from integrations.recipes import Change, What, load

#: What is told of a rule, with its label.
_TOLD = {
    "name": "name", "enabled": "on", "position": "place in the list", "kinds": "what has to happen", "conditions": "conditions",
    "offset_minutes": "how long before or after", "late_policy": "if booked later", "late_rule": "the other rule",
    "grace_minutes": "minutes that may pass", "stops": "stops the rules below", "connection": "connection", "action": "action",
    "debounce_seconds": "seconds for further changes", "waits_for": "after the rule", "waits_at_most": "waits at most (seconds)",
    "acts_on_backfill": "acts on what a backfill finds", "backfill_max_age_days": "up to an age of (days)",
}  # fmt: skip
#: Options with such a name, and what stands in them, are not written down.
_SECRET = re.compile(r"secret|token|passw|authori[sz]ation|credential|cookie|api.?key|signature", re.IGNORECASE)  # fmt: skip
_HIDDEN = "(not written down)"
_MOST = 400


def said(rule: Rule) -> dict[str, str]:
    """Return what a rule says, in words by label."""
    told = {label: _told(rule, name) for name, label in _TOLD.items()}
    options = {f"option {name}": _option(name, value) for name, value in rule.options.items()}
    return {**told, **options}


def message(before: Mapping[str, str], after: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the change message: the names of what was changed, and beside them before and after."""
    changed = [
        {"field": label, "before": before.get(label, ""), "after": after.get(label, "")}
        for label in {**before, **after}
        if before.get(label, "") != after.get(label, "")
    ]
    if not changed:
        return []
    return [{"changed": {"fields": [one["field"] for one in changed], "values": changed}}]


@transaction.atomic
def load_noted(text: str, *, now: datetime, user_id: int) -> list[Change]:
    """Make rules as a file says, and write into the history of each who did so, with before and after.

    Raises:
        UnusableFileError: something in it is wrong, each with its line; nothing was changed.
    """
    before = _of_all()
    changes = load(text, now=now)
    touched = {change.rule.pk for change in changes if change.what != What.EQUAL}
    after = _of_all()
    for rule in Rule.objects.filter(pk__in=touched):
        told: Any = "Imported from a file."
        if rule.pk in before:
            told = message(before[rule.pk], after[rule.pk])
        LogEntry.objects.log_actions(user_id, [rule], CHANGE, change_message=told)
    return changes


def _of_all() -> dict[int, dict[str, str]]:
    rows = Rule.objects.select_related("connection", "waits_for", "late_rule")
    return {rule.pk: said(rule) for rule in rows}


def values_of(entry: LogEntry) -> Sequence[Mapping[str, str]]:
    """Return what an entry of the log tells of before and after; nothing where it tells none."""
    try:
        parts = json.loads(entry.change_message)
    except ValueError:
        return ()
    return tuple(_values(parts)) if isinstance(parts, list) else ()


def _values(parts: Sequence[Any]) -> Iterator[Mapping[str, str]]:
    for part in parts:
        changed = part.get("changed") if isinstance(part, dict) else None
        values = changed.get("values") if isinstance(changed, dict) else None
        yield from (one for one in values or () if isinstance(one, dict))


def _told(rule: Rule, name: str) -> str:
    match name:
        case "conditions":
            return _conditions(rule.conditions)
        case "kinds":
            return ", ".join(rule.kinds)
        case "offset_minutes":
            return ", ".join(clock.in_words(rule))
        case "late_policy":
            return str(rule.get_late_policy_display()) if rule.clock_kinds else ""
        case "connection" if not rule.connection_id:
            return ""
    value = getattr(rule, name)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def _conditions(tree: Any) -> str:
    if not tree:
        return "always"
    return _short(conditions.in_words(tree)) or _short(_json(tree))


def _option(name: str, value: Any) -> str:
    if _SECRET.search(name):
        return _HIDDEN
    shown = _without_secrets(value)
    return _short(shown if isinstance(shown, str) else _json(shown))


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _HIDDEN if _SECRET.search(str(key)) else _without_secrets(inner)
            for key, inner in value.items()
        }
    return [_without_secrets(inner) for inner in value] if isinstance(value, list) else value


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _short(text: str) -> str:
    return text if len(text) <= _MOST else f"{text[:_MOST]}…"
