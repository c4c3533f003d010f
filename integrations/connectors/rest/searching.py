"""Look for one thing in what an interface answers. A look-up that fails, or sees only a part, is never "not found"."""

import json
from typing import Any

from integrations.connectors.rest import rendering
from integrations.connectors.rest.answers import GONE, Answer, as_error
from integrations.connectors.rest.client import RestClient
from integrations.connectors.rest.options import RestOptions, Search, Where
from integrations.connectors.rest.rendering import Names, Rendered, at_path
from integrations.errors import PermanentError, RuleError


def look(
    client: RestClient, search: Search, options: RestOptions, *, name: str, names: Names
) -> Any:
    """Return the one thing that a search means, None where there is none.

    Raises:
        PermanentError: several fit, or the answer is only a part and holds none.
        IntegrationError: the look-up failed.
    """
    request = rendering.render(search, options, names=names)
    _require_filled(search, request, name=name)
    answer = client.read(request)
    if answer.status in GONE and not search.items:
        return None
    if not 200 <= answer.status < 300:
        raise as_error(answer)
    fitting = [item for item in _items(answer, search) if _fits(item, search.where, names)]
    if not fitting and search.more and at_path(answer.body, search.more):
        raise PermanentError(
            f"The rule's {name} found nothing on the first page, and there are more.",
            hint=f"Narrow the rule's {name} by its query, then retry.",
        )
    if len(fitting) > 1 and search.several == "fail":
        raise PermanentError(
            f"The rule's {name} found {len(fitting)} that fit, and cannot tell which is meant.",
            hint=f"Narrow the rule's {name} by where or its query, or set several to first; then retry.",
        )
    return fitting[0] if fitting else None


def id_of(item: object, search: Search) -> str:
    """Return the id of what was found.

    Raises:
        RuleError: there is none at the path that the rule names.
    """
    found = at_path(item, search.id)
    if found is None or isinstance(found, dict | list):
        raise RuleError(
            f"What was found has no {search.id}.", hint="Correct id in the rule's find."
        )
    return str(found)


def _require_filled(search: Search, request: Rendered, *, name: str) -> None:
    """Refuse a query that an empty value would turn into a question for everything."""
    empty = (key for key, text in search.query.items() if text and not request.query.get(key))
    if key := next(empty, ""):
        raise PermanentError(
            f"The query's {key} of the rule's {name} is empty for this meeting: it would find anybody.",
            hint="Nothing was sent. Let the rule look by something that every meeting has.",
        )


def _items(answer: Answer, search: Search) -> list[Any]:
    found = at_path(answer.body, search.items)
    if isinstance(found, list):
        return found
    if found is None and (search.items or answer.body is None):
        raise RuleError(
            f"{answer.what} has no list at {search.items or 'its top'}.",
            hint="Correct items in the rule: the dotted path of the list in the answer.",
        )
    return [found] if found else []


def _fits(item: Any, where: Where | None, names: Names) -> bool:
    if where is None:
        return True
    there = at_path(item, where.path)
    if where.contains:
        wanted = rendering.text_of(where.contains, names=names)
        whole = there if isinstance(there, str) else json.dumps(there, ensure_ascii=False)
        return bool(wanted) and wanted in whole
    if isinstance(where.equals, str):
        return str(there) == rendering.text_of(where.equals, names=names)
    return bool(there == where.equals)
