"""Read Salesforce's answers, of any shape, into one."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import requests

from integrations.connectors.salesforce.errors import Problem, as_error, read_problem
from integrations.http import retry_after_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """Hold an answer: its status, its JSON (or text), when that was last changed, and the problem it tells of."""

    status: int
    body: Any
    modified: str = ""
    problem: Problem | None = None

    @property
    def code(self) -> str:
        """Return Salesforce's error code, or nothing."""
        return self.problem.code if self.problem else ""

    def require(self) -> Any:
        """Return the body of a success.

        Raises:
            IntegrationError: what the error code means.
        """
        if self.problem:
            raise as_error(self.problem)
        return self.body


def read_reply(response: requests.Response, *, write: bool) -> Reply:
    """Return an answer with its problem, if it has one; `write` says whether it answers a write."""
    body = _body(response)
    succeeded = response.status_code in {200, 201, 204, 304}
    is_page = isinstance(body, str)  # a proxy's or a maintenance page, whatever its status says
    if succeeded and not is_page:
        modified = response.headers.get("Last-Modified", "")
        return Reply(status=response.status_code, body=body, modified=modified)
    # A page is no answer to a request for data: it counts as one of a broken gateway.
    problem = read_problem(
        status=502 if succeeded else response.status_code,
        body=body,
        retry_after=retry_after_seconds(response.headers, now=datetime.now(UTC)),
        write=write,
    )
    if succeeded:
        said = f"HTTP {response.status_code} with a page instead of data"
        problem = replace(problem, message=said)
    return Reply(status=response.status_code, body=body, problem=problem)


def _body(response: requests.Response) -> Any:
    try:
        return response.json() if response.content else None
    except requests.JSONDecodeError:
        return response.text
