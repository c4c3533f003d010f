"""Which rights the app needs, which it has, and who it is.

Source: https://docs.slack.dev/reference/scopes
"""

from collections.abc import Mapping, Sequence
from typing import Any

from integrations.connectors.base import Requirement
from integrations.granting import Profile

#: Without these a card cannot be posted, kept true, and found again after a lost answer.
NEEDED: Mapping[str, str] = {
    "chat:write": "posts and changes messages",
    "channels:read": "finds a public channel by its name",
    "channels:join": "joins a public channel by itself",
    "channels:history": "looks for a message whose answer was lost, before it posts again",
}
#: What only some rules use.
FOR_SOME: Mapping[str, str] = {
    "groups:history": "private channels: looks for a message whose answer was lost",
    "users:read.email": "@host and mention_host: finds the host by e-mail address; buttons: tells whether who pressed one may",
    "users:read": "buttons, @host and mention_host: Slack asks for it beside users:read.email",
    "im:write": "@host: opens the direct message",
    "im:history": "@host: looks for a message whose answer was lost",
}
#: What buttons cannot do without: nobody may press whose address is not known.
_FOR_BUTTONS = ("users:read", "users:read.email")
#: What an app that is installed by a button asks for.
ASKED = (*NEEDED, *FOR_SOME)
_HINT = "Add it to the app (OAuth & Permissions > Bot Token Scopes) and install the app again."


def split_scopes(text: str) -> tuple[str, ...]:
    """Return scopes by name, as Slack lists them."""
    return tuple(sorted(filter(None, (name.strip() for name in text.split(",")))))


def needed(*, buttons: bool) -> tuple[str, ...]:
    """Return what a connection needs as it is set up: for every rule, and for buttons where cards have them."""
    return (*NEEDED, *(_FOR_BUTTONS if buttons else ()))


def requirements(granted: Sequence[str] | None, *, buttons: bool) -> tuple[Requirement, ...]:
    """Return each scope and whether the token has it; nothing where Slack does not tell."""
    if granted is None:
        return ()
    must = needed(buttons=buttons)
    return tuple(
        (_requirement if name in must else _optional)(name, use, name in granted)
        for name, use in {**NEEDED, **FOR_SOME}.items()
    )


def lacking(granted: Sequence[str] | None, *, buttons: bool) -> tuple[str, ...]:
    """Return the scopes that are needed and that the token is known not to have."""
    if granted is None:
        return ()
    return tuple(name for name in needed(buttons=buttons) if name not in granted)


def profile(body: Mapping[str, Any], *, granted: Sequence[str] | None, buttons: bool) -> Profile:
    """Return who the bot is, of what `auth.test` answers."""
    return Profile(
        user_uri=str(body.get("user_id") or ""),
        user_name=str(body.get("user") or ""),
        user_email="",
        organization_uri=str(body.get("team_id") or ""),
        organization_name=str(body.get("team") or ""),
        site=str(body.get("url") or ""),
        granted=None if granted is None else tuple(granted),
        needed=needed(buttons=buttons),
    )


def _requirement(name: str, use: str, has: bool) -> Requirement:
    detail = f"Granted: {use}." if has else f"Not granted: {use}."
    return Requirement(name=name, ok=has, detail=detail, hint="" if has else _HINT)


def _optional(name: str, use: str, has: bool) -> Requirement:
    detail = f"Granted, for {use}." if has else f"Not granted, which does no harm unless a rule wants it. For {use}."  # fmt: skip
    return Requirement(name=name, ok=True, detail=detail)
