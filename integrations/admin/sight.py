"""What somebody who looks at a booking's or a delivery's page may see of it."""

from typing import Any

from bookings.discretion import Discretion
from integrations.admin.people import may_see_exchanges


def sight(user: Any) -> dict[str, Any]:
    """Return what the templates ask: personal data, the exchanges with providers, the bodies of webhooks."""
    discretion = Discretion.of(user)
    return {
        "discretion": discretion,
        "sees_exchanges": may_see_exchanges(user),
        "sees_bodies": discretion.is_clear and user.has_perm("integrations.view_inboundwebhook"),
    }  # fmt: skip
