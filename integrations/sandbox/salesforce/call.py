"""One call of the org's REST API."""

from dataclasses import dataclass
from typing import Any

from werkzeug.wrappers import Request

from integrations.sandbox.salesforce.errors import SalesforceError
from integrations.sandbox.salesforce.org import SalesforceOrg, Write
from integrations.sandbox.web import Json, read_json


@dataclass(frozen=True)
class Call:
    """Hold what a handler needs to answer. `version` is like "v66.0"."""

    org: SalesforceOrg
    request: Request
    version: str

    @property
    def root(self) -> str:
        """Return the path under which this version's resources lie."""
        return f"/services/data/{self.version}"

    def body(self) -> Json:
        """Return the JSON object sent. Raises SalesforceError JSON_PARSER_ERROR."""
        try:
            data = read_json(self.request)
        except ValueError as error:
            raise SalesforceError("JSON_PARSER_ERROR") from error
        if not isinstance(data, dict):
            raise SalesforceError("JSON_PARSER_ERROR")
        return data

    def how(self, via: str) -> Write:
        """Return the manner of a write, from the request's headers."""
        headers = self.request.headers
        rule = headers.get("Sforce-Duplicate-Rule-Header", "").replace(" ", "").lower()
        assign = headers.get("Sforce-Auto-Assign", "TRUE").strip().lower()
        return Write(
            via=via, allow_duplicate="allowsave=true" in rule, auto_assign=assign != "false"
        )

    def shown(self, name: str, record: Json, fields: list[str] | None = None) -> dict[str, Any]:
        """Return a record as answers carry it, with its type and address; `Owner.Name` lies inside `Owner`."""
        url = f"{self.root}/sobjects/{name}/{record['Id']}"
        values: Json = {}
        for field in fields if fields is not None else list(record):
            parent, dot, rest = field.partition(".")
            if dot:
                self._show_parent(values, parent, rest, key=record[f"{parent}Id"])
            else:
                values[field] = record[field]
        return {"attributes": {"type": name, "url": url}, **values}

    def _show_parent(self, values: Json, parent: str, field: str, *, key: str | None) -> None:
        kind = self.org.object_of(key) if key else None
        row = self.org.records[kind.name].get(key) if kind and key else None
        if kind is None or row is None:
            values[parent] = None
            return
        values.setdefault(parent, self.shown(kind.name, row, []))[field] = row.get(field)
