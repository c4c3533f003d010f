"""`manage.py calendly status [NAME]`: who each connection is, what it may do, and how it is; asks nobody."""

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from integrations import budget, connecting
from integrations.errors import ConfigurationError
from integrations.management.calendly.naming import PROVIDER, find_connection
from integrations.models import Connection

NAME = "status"
HELP = (
    "Show Calendly connections: account, role, plan, scopes, token, request budget, subscriptions."
)

_TOKENS = {
    "oauth": "OAuth",
    "personal": "personal access token",
    "unreadable": "cannot be read: put its key back into CALSYNC_VAULT_KEYS, or connect again",
}

Facts = dict[str, Any]


def add_arguments(parser: CommandParser | ArgumentParser) -> None:
    """Take a connection's name, and the form of the answer."""
    parser.add_argument("name", metavar="NAME", nargs="?", help="One connection; else all.")
    parser.add_argument("--json", action="store_true", help="Print a JSON list.")


def handle(command: BaseCommand, options: dict[str, Any]) -> None:
    """Print what is known here, as it was when Calendly was last asked."""
    found = [facts(connection) for connection in _chosen(options["name"])]
    if options["json"]:
        command.stdout.write(json.dumps(found, indent=2, ensure_ascii=False))
    elif found:
        command.stdout.write("\n\n".join("\n".join(_lines(item)) for item in found))
    else:
        command.stdout.write("No Calendly account is connected: run connect.")


def facts(connection: Connection) -> Facts:
    """Return what is known of a connection, fit for JSON; no secrets."""
    profile = connection.profile
    left = budget.look(connection.pk)
    return {
        "name": connection.name,
        "state": connection.state,
        "reason": connection.state_reason,
        "hint": connection.state_hint,
        "user": profile.get("user_name", ""),
        "email": profile.get("user_email", ""),
        "organization": profile.get("organization_name") or profile.get("organization_uri", ""),
        "role": profile.get("role", ""),
        "plan": profile.get("plan", ""),
        "token": _kind_of_token(connection),
        "token_expires_at": _moment(connection.token_expires_at),
        "scopes_needed": profile.get("needed", []),
        "scopes_granted": profile.get("granted"),
        "scopes_missing": list(connecting.missing_scopes(connection)),
        "budget": left and {
            "limit": left.limit, "remaining": left.remaining,
            "reserve": left.reserve, "resets_in": round(left.resets_in),
        },
        "subscriptions": [
            {"purpose": row.purpose, "scope": row.scope, "state": row.state, "problem": row.problem}
            for row in connection.subscriptions.filter(retired_at=None)
        ],
    }  # fmt: skip


def _chosen(name: str | None) -> list[Connection]:
    return [find_connection(name)] if name else list(Connection.objects.filter(provider=PROVIDER))


def _kind_of_token(connection: Connection) -> str:
    try:
        secrets = connection.secrets
    except ConfigurationError:
        return "unreadable"
    if secrets.get("refresh_token"):
        return "oauth"
    held = secrets.get("access_token") or secrets.get("personal_access_token")
    return "personal" if held else ""


def _moment(value: Any) -> str | None:
    return value.isoformat(timespec="seconds") if value else None


def _lines(item: Facts) -> Iterator[str]:
    yield f"{item['name']}: {item['state']}"
    for label, words in _rows(item):
        yield f"  {label:<14}{words or '-'}"


def _rows(item: Facts) -> Iterator[tuple[str, str]]:
    if item["reason"]:
        yield "why", f"{item['reason']} {item['hint']}".strip()
    yield "account", f"{item['user']} <{item['email']}>" if item["user"] else ""
    yield "organization", item["organization"]
    yield "role", item["role"]
    yield "plan", item["plan"]
    yield "token", _token_in_words(item)
    yield "scopes", _scopes_in_words(item)
    yield "requests", _budget_in_words(item["budget"])
    yield "subscriptions", "; ".join(map(_subscription_in_words, item["subscriptions"]))


def _token_in_words(item: Facts) -> str:
    words, ends = _TOKENS.get(item["token"], "none: run connect"), item["token_expires_at"]
    return f"{words}, until {ends}" if ends and item["token"] != "unreadable" else words  # noqa: S105  # a kind, no token


def _scopes_in_words(item: Facts) -> str:
    if item["scopes_granted"] is None:
        return "not told for this kind of token" if item["token"] else ""
    if item["scopes_missing"]:
        return f"not granted: {', '.join(item['scopes_missing'])}"
    return f"all {len(item['scopes_needed'])} that are needed"


def _budget_in_words(left: Facts | None) -> str:
    if not left:
        return "nothing asked lately"
    words = f"{left['remaining']} of {left['limit']} left, {left['reserve']} of them kept for live traffic"
    return f"{words}, anew in {left['resets_in']} s" if left["resets_in"] else words


def _subscription_in_words(row: Facts) -> str:
    words = f"{row['purpose']} ({row['scope']}) {row['state']}"
    return f"{words}: {row['problem']}" if row["problem"] else words
