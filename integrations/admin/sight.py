"""What somebody who looks at a booking's or a delivery's page may see of it."""

from typing import Any

from bookings.discretion import Discretion


def sight(user: Any) -> dict[str, Any]:
    """Return what the templates ask: personal data, the exchanges with providers, the bodies of webhooks."""
    discretion = Discretion.of(user)
    return {
        "discretion": discretion,
        "sees_exchanges": discretion.is_clear and user.has_perm("integrations.view_deliveryattempt"),
        "sees_bodies": discretion.is_clear and user.has_perm("integrations.view_inboundwebhook"),
    }  # fmt: skip
