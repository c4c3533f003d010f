"""Control actions for the receiver of signed messages: look inside, and choose its answers."""

import copy

from integrations.sandbox.state import SandboxState
from integrations.sandbox.web import Json
from integrations.sandbox.webhook.receiver import KNOWN_ANSWERS


def messages(state: SandboxState, data: Json) -> list[Json]:
    """Return what came in, oldest first, of one `endpoint` if given, the last `limit` if given."""
    with state.webhook.lock:
        rows = [
            row for row in state.webhook.messages if data.get("endpoint") in (None, row["endpoint"])
        ]
        return copy.deepcopy(rows[-int(data.get("limit", 0)) :])


def answer(state: SandboxState, data: Json) -> Json:
    """Have an `endpoint` answer with a `status` (and `headers`, `body`) and take nothing; without one it takes again."""
    endpoint = str(data["endpoint"]).strip("/")
    with state.webhook.lock:
        if data.get("status") is None:
            state.webhook.answers.pop(endpoint, None)
            return {}
        chosen = {"status": int(data["status"]), "headers": {}, "body": {}}
        chosen |= {name: data[name] for name in KNOWN_ANSWERS if data.get(name)}
        state.webhook.answers[endpoint] = chosen
        return chosen


ACTIONS = {
    ("GET", "/webhook/messages"): messages,
    ("POST", "/webhook/answer"): answer,
}
