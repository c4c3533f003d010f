"""Control actions for the REST interfaces: look inside, and play those who work there."""

import copy
from typing import Any

from integrations.sandbox.state import SandboxState
from integrations.sandbox.web import Json


def everything(state: SandboxState, data: Json) -> Json:
    """Return what every interface holds."""
    with state.rest.lock:
        return copy.deepcopy(state.rest.as_dict())


def insert(state: SandboxState, data: Json) -> Any:
    """Put a row into a `table` (things, contacts, users, accounts, opportunities, notes) under its `id`."""
    row = dict(data["row"])
    with state.rest.lock:
        state.rest.table(str(data["table"]))[str(row["id"])] = row
    return row


def remove(state: SandboxState, data: Json) -> Json:
    """Delete a row of a `table` by its `id`."""
    with state.rest.lock:
        gone = state.rest.table(str(data["table"])).pop(str(data["id"]), None)
    return {"deleted": int(gone is not None)}


ACTIONS = {
    ("GET", "/rest/state"): everything,
    ("POST", "/rest/insert"): insert,
    ("POST", "/rest/remove"): remove,
}
