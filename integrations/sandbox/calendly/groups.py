"""Groups of members (since May 2024), and who belongs to them in which role.

The facts at hand do not give the exact live shape of either, nor who may read them. Here a group
has uri, name, organization, member_count and the two stamps; a relationship has uri, group (a URI),
role (member or admin), owner (`{type, uri}` of an organization membership), organization and the
two stamps; owners, admins and the admins of a group may read it.
"""

from integrations.sandbox.calendly.call import Call
from integrations.sandbox.calendly.directory import resource
from integrations.sandbox.calendly.errors import forbidden, invalid_all
from integrations.sandbox.calendly.paging import ordered, page
from integrations.sandbox.calendly.world import fetch, tail
from integrations.sandbox.web import Json

CREATED = ("created_at",)
FILTERS = ("organization", "owner", "group")


def listing(call: Call) -> Json:
    """List the groups of the organization."""
    call.require_organization(call.needed("organization"))
    rows = list(call.world.groups.values())
    return page(call, ordered(call, rows, keys=CREATED, default="created_at:asc"))


def one(call: Call, key: str) -> Json:
    """Return a group."""
    row = fetch(call.world.groups, key)
    require_leader(call, row)
    return resource(row)


def relationships(call: Call) -> Json:
    """List who belongs to which group, by organization, owner or group."""
    wanted = {name: call.query[name] for name in FILTERS if call.query.get(name)}
    if not wanted:
        raise invalid_all([(name, "one of these is required") for name in FILTERS])
    _require_sight(call, wanted)
    rows = [row for row in call.world.group_relationships.values() if _fits(row, wanted)]
    return page(call, ordered(call, rows, keys=CREATED, default="created_at:asc"))


def _require_sight(call: Call, wanted: dict[str, str]) -> None:
    if "organization" in wanted:
        call.require_organization(wanted["organization"])
    if "group" in wanted:
        require_leader(call, fetch(call.world.groups, tail(wanted["group"])))
    elif "owner" in wanted and not call.is_admin and not _is_own(call, wanted["owner"]):
        raise forbidden()


def _is_own(call: Call, membership: str) -> bool:
    row = call.world.memberships.get(tail(membership))
    return row is not None and tail(row["user"]["uri"]) == call.token.user


def _fits(row: Json, wanted: dict[str, str]) -> bool:
    return all(
        value == (row["owner"]["uri"] if name == "owner" else row[name])
        for name, value in wanted.items()
    )


def relationship(call: Call, key: str) -> Json:
    """Return one relationship; members see their own."""
    row = fetch(call.world.group_relationships, key)
    if not _is_own(call, row["owner"]["uri"]):
        require_leader(call, fetch(call.world.groups, tail(row["group"])))
    return resource(row)


def require_leader(call: Call, group: Json) -> None:
    """Check that the caller leads the organization or this group. Raises ApiError 403."""
    leaders = call.world.group_members(group["uri"], roles=("admin",))
    if not call.is_admin and call.token.user not in leaders:
        raise forbidden()


def led_by(call: Call) -> set[str]:
    """Return the caller and the users of the groups that the caller leads."""
    rosters = [call.world.group_members(row["uri"]) for row in _led(call)]
    return {call.token.user}.union(*rosters)


def _led(call: Call) -> list[Json]:
    return [
        row
        for row in call.world.groups.values()
        if call.token.user in call.world.group_members(row["uri"], roles=("admin",))
    ]
