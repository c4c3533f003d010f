"""Where staff mend what made a delivery fail."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from integrations.models import Connection, Delivery

Failure = Delivery.FailureClass

#: What to do about each class of failure, where the failure itself does not say.
ADVICE: Mapping[str, str] = {
    Failure.CONFIGURATION: "Mend the rule or the connection, then retry.",
    Failure.PERMANENT: "The provider will not take them as they are. Mend what the error names, then retry.",
    Failure.EXHAUSTED: "Every retry failed. See that the provider answers, then retry.",
    Failure.CRASHED: "A fault in Calsync. Report it with the line below; retry once it is mended.",
    Failure.REVIEW: "Say which record it is; they are then sent by themselves.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mend:
    """Name a page that mends a failure, by its label and address."""

    label: str
    url: str


def mend(delivery: Delivery, *, user: Any) -> Mend | None:
    """Return the page that mends this failure, if there is one that the user may open."""
    match delivery.failure_class:
        case Failure.REVIEW if user.has_perm("integrations.view_matchreview"):
            query = f"state__exact=open&connection__id__exact={delivery.connection_id}"
            return Mend(label="Answer the match reviews", url=f"{reverse('admin:integrations_matchreview_changelist')}?{query}")  # fmt: skip
        case Failure.CONFIGURATION:
            return _setting(delivery, user)
        case Failure.EXHAUSTED:
            return _connection(delivery, user)
    return None


def _setting(delivery: Delivery, user: Any) -> Mend | None:
    """Return the connection's page where that is paused or the rule is gone, its field mapping, or the rule's page."""
    said = f"{delivery.error} {delivery.hint}".lower()
    if "field mapping" in said and user.has_perm("integrations.change_connection"):
        return Mend(label="Open the field mapping", url=reverse("admin:integrations_connection_mapping", args=[delivery.connection_id]))  # fmt: skip
    is_paused = delivery.connection.state == Connection.State.PAUSED
    if is_paused or delivery.rule is None or not user.has_perm("integrations.view_rule"):
        return _connection(delivery, user)
    return Mend(label=f"Open the rule “{delivery.rule}”", url=reverse("admin:integrations_rule_change", args=[delivery.rule_id]))  # fmt: skip


def _connection(delivery: Delivery, user: Any) -> Mend | None:
    if not user.has_perm("integrations.view_connection"):
        return None
    return Mend(label=f"Open the connection {delivery.connection}", url=reverse("admin:integrations_connection_change", args=[delivery.connection_id]))  # fmt: skip
