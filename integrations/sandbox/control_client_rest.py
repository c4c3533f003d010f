"""The part of the control client that concerns the REST interfaces."""

from typing import Any

from integrations.sandbox.control_client_base import ControlConnection, Json


class RestControl(ControlConnection):
    """Look into the REST interfaces, and play those who work there."""

    def rest_state(self) -> Json:
        """Return what every interface holds, table by table."""
        state: Json = self.call("GET", "/rest/state")
        return state

    def rest_insert(self, table: str, **row: Any) -> Json:
        """Put a row into a table under its `id`."""
        made: Json = self.call("POST", "/rest/insert", {"table": table, "row": row})
        return made

    def rest_remove(self, table: str, id: str) -> None:
        """Delete a row of a table."""
        self.call("POST", "/rest/remove", {"table": table, "id": id})
