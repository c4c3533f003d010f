"""Control actions for Salesforce, Slack and mail: look inside, and play an administrator."""

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

from integrations.sandbox.salesforce.org import SalesforceOrg, ValidationRule, Write
from integrations.sandbox.salesforce.schema import Field
from integrations.sandbox.slack import presses
from integrations.sandbox.slack.workspace import SlackWorkspace
from integrations.sandbox.state import SandboxState
from integrations.sandbox.web import Json

FIELD_KEYS = {item.name for item in dataclasses.fields(Field)}


def in_org(act: Callable[[SalesforceOrg, Json], Any]) -> Callable[[SandboxState, Json], Any]:
    """Return an action that runs under the org's lock and answers with a copy."""

    def action(state: SandboxState, data: Json) -> Any:
        with state.salesforce.lock:
            return copy.deepcopy(act(state.salesforce, data))

    return action


def in_workspace(
    act: Callable[[SlackWorkspace, Json], Any],
) -> Callable[[SandboxState, Json], Any]:
    """Return an action that runs under the workspace's lock and answers with a copy."""

    def action(state: SandboxState, data: Json) -> Any:
        with state.slack.lock:
            return copy.deepcopy(act(state.slack, data))

    return action


def all_records(org: SalesforceOrg, data: Json) -> Json:
    """Return every record by object."""
    return {name: list(rows.values()) for name, rows in org.records.items()}


def records(org: SalesforceOrg, data: Json) -> list[Json]:
    """Return the records of one object."""
    return list(org.records[org.object(data["object"]).name].values())


def insert(org: SalesforceOrg, data: Json) -> Json:
    """Store a record without the rules for duplicates and unique fields."""
    fields = data.get("fields") or {}
    return {"id": org.insert_unchecked(str(data["object"]), fields)}


def change(org: SalesforceOrg, data: Json) -> Json:
    """Change a record as a person in Salesforce would."""
    name, key = str(data["object"]), str(data["id"])
    org.update(name, key, data.get("fields") or {}, how=Write(via="control"))
    return org.get(name, key)


def delete(org: SalesforceOrg, data: Json) -> Json:
    """Delete a record as a person in Salesforce would."""
    org.delete(str(data["object"]), str(data["id"]))
    return {"deleted": True}


def history(org: SalesforceOrg, data: Json) -> list[Json]:
    """Return the writes, oldest first, of one record if `id` is given."""
    key = data.get("id")
    return [row for row in org.history if key in (None, row["id"])]


def convert(org: SalesforceOrg, data: Json) -> Json:
    """Convert a lead; return the ids of lead, contact and account."""
    return org.convert_lead(str(data["lead"]))


def merge(org: SalesforceOrg, data: Json) -> Json:
    """Merge a record into another of its object, as a person in Salesforce would."""
    org.merge(str(data["object"]), str(data["kept"]), str(data["merged"]))
    return {"kept": str(data["kept"])}


def person_account(org: SalesforceOrg, data: Json) -> Json:
    """Turn Person Accounts on, and make one of the given fields; return the ids of account and contact."""
    if org.object("Account").find("IsPersonAccount") is None:
        org.enable_person_accounts()
    return org.add_person_account(data.get("fields") or {})


def shared_activities(org: SalesforceOrg, data: Json) -> None:
    """Turn Shared Activities on."""
    if org.object("EventRelation").find("IsInvitee") is None:
        org.enable_shared_activities()


def add_validation_rule(org: SalesforceOrg, data: Json) -> Json:
    """Refuse records of an `object` that are as `where` says, with a `message`, while the field `requires` is empty."""
    kind = org.object(str(data["object"]))
    rule = ValidationRule(
        object=kind.name, requires=str(data["requires"]), message=str(data["message"]),
        where=data.get("where") or {},
    )  # fmt: skip
    org.validation_rules.append(rule)
    return dataclasses.asdict(rule)


def change_fields(org: SalesforceOrg, data: Json) -> Json:
    """Add a field to an object (`add`, with its properties) or take one away (`remove`)."""
    kind = org.object(str(data["object"]))
    added = data.get("add")
    made = Field(**{name: added[name] for name in FIELD_KEYS & added.keys()}) if added else None
    org.change_field(kind.name, add=made, remove=str(data.get("remove", "")))
    return kind.describe()


def messages(workspace: SlackWorkspace, data: Json) -> list[Json]:
    """Return messages with their channel, oldest first, of one `channel` if given."""
    wanted = str(data.get("channel", "")).removeprefix("#")
    rows = [
        message | {"channel": key, "channel_name": channel["name"]}
        for key, channel in workspace.channels.items()
        if wanted in ("", key, channel["name"])
        for message in workspace.messages[key]
    ]
    return sorted(rows, key=lambda row: str(row["ts"]))


def channels(workspace: SlackWorkspace, data: Json) -> list[Json]:
    """Return every channel."""
    return list(workspace.channels.values())


def change_channel(workspace: SlackWorkspace, data: Json) -> Json:
    """Archive a channel, or change the bot's membership."""
    row = workspace.channels[str(data["channel"])]
    row |= {name: data[name] for name in ("is_archived", "is_member", "name") if name in data}
    return row


def say(workspace: SlackWorkspace, data: Json) -> Json:
    """Post a message as a person."""
    channel = workspace.channel(str(data["channel"]), by_name=True)["id"]
    said = {"user": data.get("user", "U0OLIVIA1"), "text": str(data.get("text", ""))}
    return workspace.post(channel, said, thread_ts=data.get("thread_ts"))


def press(state: SandboxState, data: Json) -> Json:
    """Press a button as a person, `times` over with the same bytes; return how the app answered the last one."""
    with state.slack.lock:
        signed = presses.press(state.slack, data)
    return [presses.send(signed) for _ in range(int(data.get("times", 1)))][-1]


def whispers(workspace: SlackWorkspace, data: Json) -> list[Json]:
    """Return what only one person saw, oldest first, of one `user` if given."""
    return [row for row in workspace.whispers if data.get("user") in (None, row["user"])]


def remove(workspace: SlackWorkspace, data: Json) -> Json:
    """Delete a message as a person."""
    channel = workspace.channel(str(data["channel"]), by_name=True)["id"]
    rows = workspace.messages[channel]
    workspace.messages[channel] = [row for row in rows if row["ts"] != data["ts"]]
    return {"deleted": len(rows) - len(workspace.messages[channel])}


def mails(state: SandboxState, data: Json) -> list[Json]:
    """Return the messages that were taken, oldest first, of one recipient if `to` is given."""
    with state.mail.lock:
        rows = copy.deepcopy(state.mail.messages)
    wanted = str(data.get("to", ""))
    return [row for row in rows if not wanted or wanted in row["rcpt_to"]]


ACTIONS: dict[tuple[str, str], Callable[[SandboxState, Json], Any]] = {
    ("GET", "/email/mails"): mails,
    ("GET", "/salesforce/records"): in_org(all_records),
    ("GET", "/salesforce/records/*"): in_org(records),
    ("GET", "/salesforce/history"): in_org(history),
    ("POST", "/salesforce/insert"): in_org(insert),
    ("POST", "/salesforce/change"): in_org(change),
    ("POST", "/salesforce/delete"): in_org(delete),
    ("POST", "/salesforce/convert"): in_org(convert),
    ("POST", "/salesforce/merge"): in_org(merge),
    ("POST", "/salesforce/person_account"): in_org(person_account),
    ("POST", "/salesforce/shared_activities"): in_org(shared_activities),
    ("POST", "/salesforce/fields"): in_org(change_fields),
    ("POST", "/salesforce/validation_rule"): in_org(add_validation_rule),
    ("GET", "/slack/messages"): in_workspace(messages),
    ("GET", "/slack/channels"): in_workspace(channels),
    ("POST", "/slack/channel"): in_workspace(change_channel),
    ("POST", "/slack/say"): in_workspace(say),
    ("POST", "/slack/remove"): in_workspace(remove),
    ("POST", "/slack/press"): press,
    ("GET", "/slack/whispers"): in_workspace(whispers),
}
