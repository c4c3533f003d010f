"""The groups at the start: Sales, led by Uma, and Consulting, led by Olivia; Adam is in both."""

from typing import TYPE_CHECKING

from integrations.sandbox.calendly.seeds import BEGINNING, seed_id

if TYPE_CHECKING:
    from integrations.sandbox.calendly.world import CalendlyWorld

ROLES = {
    "sales": {"user": "admin", "admin": "member"},
    "consulting": {"owner": "admin", "admin": "member"},
}


def plant(world: "CalendlyWorld") -> None:
    """Add the groups to a world whose members are there."""
    for slug, roles in ROLES.items():
        _group(world, slug, size=len(roles))
        for person, role in roles.items():
            _relationship(world, slug, person=person, role=role)


def _group(world: "CalendlyWorld", slug: str, *, size: int) -> None:
    key = seed_id(f"group-{slug}")
    world.groups[key] = {
        "uri": world.uri("groups", key),
        "name": slug.title(),
        "organization": world.organization["uri"],
        "member_count": size,
        "created_at": BEGINNING,
        "updated_at": BEGINNING,
    }


def _relationship(world: "CalendlyWorld", slug: str, *, person: str, role: str) -> None:
    key = seed_id(f"group-{slug}-{person}")
    membership = world.uri("organization_memberships", seed_id(f"membership-{person}"))
    world.group_relationships[key] = {
        "uri": world.uri("group_relationships", key),
        "group": world.uri("groups", seed_id(f"group-{slug}")),
        "role": role,
        "owner": {"type": "OrganizationMembership", "uri": membership},
        "organization": world.organization["uri"],
        "created_at": BEGINNING,
        "updated_at": BEGINNING,
    }
