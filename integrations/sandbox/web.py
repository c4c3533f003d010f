"""Small tools to read requests and to write answers, shared by the stations."""

import json
from typing import Any

from werkzeug.wrappers import Request, Response

Json = dict[str, Any]


def reply(data: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a JSON answer."""
    body = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    return Response(body, status=status, headers=headers, content_type="application/json")


def text(body: str, *, status: int = 200) -> Response:
    """Return a plain text answer."""
    return Response(body, status=status, content_type="text/plain; charset=utf-8")


def html(body: str, *, status: int = 200) -> Response:
    """Return an HTML answer."""
    return Response(body, status=status, content_type="text/html; charset=utf-8")


def read_json(request: Request) -> Any:
    """Parse the body. Raises ValueError when it is not JSON."""
    return json.loads(request.get_data(as_text=True) or "null")


def read_object(request: Request) -> Json:
    """Parse the body as a JSON object. Raises ValueError when it is something else."""
    data = read_json(request)
    if not isinstance(data, dict):
        raise ValueError("the body is not a JSON object")
    return data


def bearer(request: Request) -> str | None:
    """Return the token of the Authorization header."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None
