"""What staff see and do: one module a page; the road's own functions do the work."""

from integrations.admin import (
    backfills,
    bookings,
    bulk,
    connections,
    deliveries,
    directory,
    drift,
    email_templates,
    erasure,
    inbound,
    interactions,
    notifications,
    reviews,
    rules,
    subscriptions,
    users,
)

__all__ = [
    "backfills",
    "bookings",
    "bulk",
    "connections",
    "deliveries",
    "directory",
    "drift",
    "email_templates",
    "erasure",
    "inbound",
    "interactions",
    "notifications",
    "reviews",
    "rules",
    "subscriptions",
    "users",
]
