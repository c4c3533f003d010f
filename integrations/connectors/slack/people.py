"""Find hosts in Slack by their e-mail addresses, and the direct messages with them."""

from collections.abc import Iterable, Mapping

from bookings.meeting import Person
from integrations.connectors.base import Step
from integrations.connectors.slack.client import SlackClient
from integrations.connectors.slack.routing import digest

#: A mention is a courtesy: without the scope for it, or the person in Slack, the card goes without.
_DISPENSABLE = frozenset({"missing_scope", "user_not_found", "users_not_found"})


def open_direct(client: SlackClient, *, email: str) -> str:
    """Return the id of the channel in which the bot and the person of an address speak.

    Raises:
        IntegrationError: see `errors`; `users_not_found` is a RuleError.
    """
    found = client.read("users.lookupByEmail", email=email).require()
    user = str(found["user"]["id"])
    channel = client.write("conversations.open", users=user).require().get("channel")
    return str(channel["id"]) if isinstance(channel, Mapping) else user


def find_people(
    client: SlackClient, hosts: Iterable[Person], *, known: Mapping[str, str]
) -> tuple[dict[str, str], tuple[Step, ...]]:
    """Return the Slack users of hosts by the digest of their addresses, and who could not be found; `known` are asked for no more.

    Raises:
        IntegrationError: Slack did not answer, or refuses us altogether.
    """
    found: dict[str, str] = {}
    steps: list[Step] = []
    for host in hosts:
        key = digest(host.email)
        if key in known:
            found[key] = known[key]
        elif host.email.strip():
            answer = client.read("users.lookupByEmail", email=host.email.strip())
            if answer.code in _DISPENSABLE:
                detail = (
                    f"{host.name or 'The host'} is not mentioned: Slack answered {answer.code}."
                )
                steps.append(Step(name="mention", detail=detail))
                continue
            found[key] = str(answer.require()["user"]["id"])
    return found, tuple(steps)
