"""Which scopes of a token are needed, what for, and whether they were granted."""

from collections.abc import Mapping
from dataclasses import dataclass

from integrations.granting import Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeRow:
    """Say what a needed scope is for, and whether it was granted; None where the provider does not tell."""

    name: str
    purpose: str
    is_granted: bool | None


def scope_rows(profile: Profile, purposes: Mapping[str, str]) -> tuple[ScopeRow, ...]:
    """Return a row for each scope that is needed; `purposes` are the provider's."""
    is_told = profile.granted is not None
    return tuple(
        ScopeRow(
            name=scope,
            purpose=purposes.get(scope, ""),
            is_granted=scope not in profile.missing if is_told else None,
        )
        for scope in profile.needed
    )
