"""See that a value which a rule names is on its pick-list: Salesforce takes many that are not, and reports lose them."""

from collections.abc import Iterable, Mapping

from integrations.connectors.salesforce import schema
from integrations.connectors.salesforce.actions.base import Work, needing
from integrations.connectors.salesforce.schema import FieldType, Schema
from integrations.errors import RuleError

_MEND = "Open the rule and correct its options, then retry the delivery."


def require(work: Work, object_type: str, options: Mapping[str, tuple[str, str]]) -> None:
    """See that each option's value, `{"status": ("Status", "New")}`, is one of its field's.

    Raises:
        RuleError: a field or a value is not there.
        IntegrationError: Salesforce does not tell.
    """
    wanted = {option: pair for option, pair in options.items() if pair[1]}
    if not wanted:
        return
    with needing(object_type):
        known = schema.load(work.client, object_type, scope=work.writer.scope)
        if any(_trouble(known, *pair) for pair in wanted.values()):  # perhaps it was added since
            known = schema.load(work.client, object_type, scope=work.writer.scope, at_once=True)
    for option, pair in wanted.items():
        if trouble := _trouble(known, *pair):
            raise wrong(option, trouble)


def wrong(option: str, trouble: str) -> RuleError:
    """Return the error that names a rule's option and what is wrong with it."""
    return RuleError(f"The rule's option {option} is wrong: {trouble}", hint=_MEND)


def listed(values: Iterable[str]) -> str:
    """Return values as a sentence lists them."""
    return ", ".join(values) or "none"


def _trouble(known: Schema, field: str, value: str) -> str:
    kind: FieldType | None = known.find(field)
    if kind is None:
        return f"{known.object_type}.{field} is hidden from the integration user."
    values = [choice for choice, _ in kind.choices]
    if not values or value in values:
        return ""
    return f"{known.object_type}.{field} has no value {value!r}, but {listed(values)}."
