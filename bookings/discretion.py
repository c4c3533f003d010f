"""Who may see the people in a booking, and what everybody else sees in their place."""

from dataclasses import dataclass
from typing import Any, Self

from bookings.personal import masked

#: Names, addresses, answers, and every text that may hold them.
PERMISSION = "bookings.view_personal_data"
#: What stands where a text is not shown.
HIDDEN = "(hidden)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Discretion:
    """Show personal data as it is, or in its place only what tells one person from another."""

    is_clear: bool

    @classmethod
    def of(cls, user: Any) -> Self:
        """Return what this user may see."""
        return cls(is_clear=user.has_perm(PERMISSION))

    def name(self, name: str) -> str:
        """Return a name, or its initials: `M. L.`."""
        if self.is_clear:
            return name
        return masked(name) if "@" in name else " ".join(f"{word[0]}." for word in name.split())

    def email(self, email: str) -> str:
        """Return an e-mail address, or what cannot be written to: `m***@example.com`."""
        return email if self.is_clear else masked(email)

    def text(self, text: str) -> str:
        """Return what somebody wrote, or may name somebody; or that it is hidden."""
        return text if self.is_clear or not text else HIDDEN
