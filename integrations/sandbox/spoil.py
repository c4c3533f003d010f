"""Answers that are whole on the wire and broken inside."""

import json

from werkzeug.wrappers import Response

from integrations.sandbox.web import Json


def unreadable(response: Response) -> Response:
    """Cut the body in half, so that its JSON cannot be read."""
    body = response.get_data()
    response.set_data(body[: len(body) // 2])
    return response


def broken_object(response: Response, params: Json) -> Response:
    """Take a key (`key`) away from one object (`index`) of a collection."""
    answer = json.loads(response.get_data() or "{}")
    rows = answer.get("collection")
    if rows:
        row = rows[min(int(params.get("index", 0)), len(rows) - 1)]
        row.pop(str(params.get("key", "start_time")), None)
        response.set_data(json.dumps(answer))
    return response
