"""The control API: play the people, set faults, look into every service."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from werkzeug.wrappers import Request, Response

from integrations.sandbox import (
    control_bulk,
    control_calendly,
    control_others,
    control_rest,
    control_webhook,
)
from integrations.sandbox.calendly.errors import ApiError
from integrations.sandbox.config import UnknownSetting
from integrations.sandbox.faults import UnknownFault
from integrations.sandbox.salesforce.errors import SalesforceError
from integrations.sandbox.slack.errors import SlackError
from integrations.sandbox.state import SandboxState
from integrations.sandbox.web import Json, read_object, reply

LONGEST_WAIT = timedelta(minutes=2).total_seconds()
Action = Callable[[SandboxState, Json], Any]


def add_fault(state: SandboxState, data: Json) -> Json:
    """Set a fault switch; a disabled subscription is an act and leaves no switch."""
    service, kind = str(data.get("service")), str(data.get("kind"))
    match, params = data.get("match") or {}, data.get("params") or {}
    if (service, kind) == ("webhooks", "disabled_subscription"):
        count = state.calendly.sender.disable(url_contains=match.get("path_contains", ""))
        return {"service": service, "kind": kind, "disabled": count}
    times = int(data.get("times", 1))
    fault = state.faults.add(service=service, kind=kind, times=times, match=match, params=params)
    return fault.as_dict()


def list_faults(state: SandboxState, data: Json) -> list[Json]:
    """Return the switches that still act."""
    return [fault.as_dict() for fault in state.faults.all()]


def clear_faults(state: SandboxState, data: Json) -> Json:
    """Remove one switch by `id`, those of a `service`, or all."""
    number = data.get("id")
    state.faults.clear(
        service=data.get("service"), fault_id=int(number) if number is not None else None
    )
    return {"cleared": True}


def requests(state: SandboxState, data: Json) -> list[Json]:
    """Return logged requests by service, method, path_contains and since."""
    limit = int(data.get("limit", 0))
    found = state.log.find(
        service=data.get("service"),
        method=data.get("method"),
        path_contains=data.get("path_contains"),
        since=int(data.get("since", 0)),
    )
    return [entry.as_dict() for entry in found[-limit:]]


def settings(state: SandboxState, data: Json) -> Json:
    """Return the settings."""
    return state.config.as_dict()


def change_settings(state: SandboxState, data: Json) -> Json:
    """Change the settings that are named."""
    state.config.change(data)
    return state.config.as_dict()


def reset(state: SandboxState, data: Json) -> Json:
    """Bring everything back to the start."""
    state.reset()
    return {"reset": True}


def webhooks(state: SandboxState, data: Json) -> Json:
    """Return subscriptions, deliveries and how much is waiting."""
    world, limit = state.calendly, int(data.get("limit", 0))
    with world.lock:
        rows = [dict(row) for row in world.subscriptions.values()]
    deliveries = world.sender.log.all()[-limit:]
    return {"subscriptions": rows, "deliveries": deliveries, **world.sender.status()}


def wait_idle(state: SandboxState, data: Json) -> Json:
    """Wait until no webhook is queued or under way, `timeout` seconds at most."""
    seconds = min(float(data.get("timeout", 5)), LONGEST_WAIT)
    ignore = bool(data.get("ignore_retries", False))
    sender = state.calendly.sender
    return {"idle": sender.wait_idle(seconds=seconds, ignore_retries=ignore), **sender.status()}


def flush(state: SandboxState, data: Json) -> Json:
    """Send held, delayed and failed webhooks now."""
    state.calendly.sender.flush()
    return state.calendly.sender.status()


ACTIONS: dict[tuple[str, str], Action] = {
    ("GET", "/faults"): list_faults,
    ("POST", "/faults"): add_fault,
    ("DELETE", "/faults"): clear_faults,
    ("POST", "/faults/clear"): clear_faults,
    ("GET", "/requests"): requests,
    ("GET", "/settings"): settings,
    ("POST", "/settings"): change_settings,
    ("POST", "/reset"): reset,
    ("GET", "/webhooks"): webhooks,
    ("POST", "/webhooks/wait_idle"): wait_idle,
    ("POST", "/webhooks/flush"): flush,
    **control_calendly.ACTIONS,
    **control_bulk.ACTIONS,
    **control_others.ACTIONS,
    **control_webhook.ACTIONS,
    **control_rest.ACTIONS,
}


class Control:
    """Answer control requests with JSON; a refusal is 400 or 404 with `error`."""

    def __init__(self, state: SandboxState) -> None:
        self._state = state

    def handle(self, request: Request, *, path: str) -> Response:
        """Answer one control request."""
        action, more = _find(request.method, path.rstrip("/"))
        if action is None:
            return reply({"error": f"there is no {request.method} /sandbox{path}"}, status=404)
        try:
            return reply(action(self._state, _data(request) | more))
        except ApiError as error:
            return reply({"error": error.body["message"], **error.body}, status=error.status)
        except (SalesforceError, SlackError, UnknownFault, UnknownSetting) as error:
            return reply({"error": str(error)}, status=400)
        except (ValueError, TypeError, KeyError) as error:
            return reply({"error": f"{type(error).__name__}: {error}"}, status=400)


def _find(method: str, path: str) -> tuple[Action | None, Json]:
    """Return the action for a path; its last part may be the name of an object."""
    if (method, path) in ACTIONS:
        return ACTIONS[method, path], {}
    parent, _, last = path.rpartition("/")
    return ACTIONS.get((method, f"{parent}/*")), {"object": last}


def _data(request: Request) -> Json:
    """Read the body. Only JSON is taken, so that no foreign web page can send one."""
    if request.method == "GET" or not request.get_data():
        return request.args.to_dict()
    if request.mimetype != "application/json":
        raise ValueError("send JSON, with its content type")
    return request.args.to_dict() | read_object(request)
