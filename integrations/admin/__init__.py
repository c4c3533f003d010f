"""What staff see and do: one module a page; the road's own functions do the work."""

from integrations.admin import (
    bookings,
    connections,
    deliveries,
    inbound,
    rules,
    subscriptions,
    users,
)

__all__ = ["bookings", "connections", "deliveries", "inbound", "rules", "subscriptions", "users"]
