"""What of an organization an account reaches: its scope, and whom or what that is about.

Source: https://developer.calendly.com/api-docs (scheduled events and webhook subscriptions need an owner or admin for
the whole organization)
"""

from integrations.errors import ConfigurationError
from integrations.models import Account
from integrations.sources.calendly.settings import CalendlySettings


def settings_of(account: Account) -> CalendlySettings:
    """Return the connection's settings with their defaults."""
    return CalendlySettings.model_validate(account.settings)


def scope_of(account: Account) -> str:
    """Return the scope that was chosen; by itself, the widest that the role allows."""
    chosen = settings_of(account).scope
    if chosen != "auto":
        return chosen
    return "organization" if leads(account) else "user"


def target_of(account: Account, scope: str) -> str:
    """Return the URI that a scope is about.

    Raises:
        ConfigurationError: it is not known.
    """
    if scope == "group":
        found = settings_of(account).group
        hint = "Enter the group's URI in the connection's settings."
    else:
        found = account.profile.get(f"{scope}_uri", "")
        hint = "Test the connection, so that Calendly says whose token it is."
    if not found:
        raise ConfigurationError(
            f"The {scope} of the connection “{account.name}” is not known.", hint=hint
        )
    return str(found)


def leads(account: Account) -> bool:
    """Tell whether the token's user is an owner or admin of the organization."""
    return account.profile.get("role") in {"owner", "admin"}


def may_read(account: Account, what: str) -> bool:
    """Tell whether a scope is granted, as far as is known; writing implies reading."""
    granted = account.profile.get("granted")
    return granted is None or bool({f"{what}:read", f"{what}:write"} & set(granted))


def has_routing_forms(account: Account) -> bool:
    """Tell whether routing forms are wished for and may be had; they belong to the whole organization."""
    wished = settings_of(account).routing_forms
    return wished and leads(account) and may_read(account, "routing_forms")
