"""Methods of the Web API for channels and people.

Source: https://docs.slack.dev/reference/methods
"""

from integrations.sandbox.slack.errors import SlackError
from integrations.sandbox.slack.messages import cut, is_true
from integrations.sandbox.slack.workspace import BOT, BOT_USER, TEAM, SlackWorkspace
from integrations.sandbox.web import Json


def auth_test(workspace: SlackWorkspace, args: Json) -> Json:
    """Return who the token is."""
    return {
        "url": "https://harbor.slack.example/",
        "team": "Harbor Consulting",
        "user": "calsync",
        "team_id": TEAM,
        "user_id": BOT_USER,
        "bot_id": BOT,
        "is_enterprise_install": False,
    }


def channels(workspace: SlackWorkspace, args: Json) -> Json:
    """List the channels that the bot can see."""
    types = str(args.get("types") or "public_channel").split(",")
    rows = [
        row
        for row in workspace.channels.values()
        if _type(row) in types
        and (row["is_member"] or not row["is_private"])
        and not (is_true(args.get("exclude_archived")) and row["is_archived"])
    ]
    shown, cursor = cut(rows, args, default=100)
    return {"channels": shown, "response_metadata": {"next_cursor": cursor}}


def _type(channel: Json) -> str:
    if channel["is_im"]:
        return "im"
    return "private_channel" if channel["is_private"] else "public_channel"


def channel(workspace: SlackWorkspace, args: Json) -> Json:
    """Return one channel."""
    return {"channel": workspace.channel(str(args.get("channel") or ""))}


def join(workspace: SlackWorkspace, args: Json) -> Json:
    """Make the bot a member of a public channel."""
    found = workspace.channel(str(args.get("channel") or ""))
    if found["is_archived"]:
        raise SlackError("is_archived")
    if found["is_im"]:
        raise SlackError("method_not_supported_for_channel_type")
    found["is_member"] = True
    return {"channel": found}


def open_direct(workspace: SlackWorkspace, args: Json) -> Json:
    """Open a direct channel with a person."""
    users = args.get("users") or ""
    names = users if isinstance(users, list) else str(users).split(",")
    if len(names) != 1:
        raise SlackError("users_list_not_supplied" if not names else "not_enough_users")
    found = workspace.direct_channel(str(names[0]).strip())
    return {"channel": {"id": found["id"]}, "no_op": False, "already_open": False}


def users(workspace: SlackWorkspace, args: Json) -> Json:
    """List the people."""
    shown, cursor = cut(list(workspace.users.values()), args, default=200)
    return {"members": shown, "response_metadata": {"next_cursor": cursor}}


def user(workspace: SlackWorkspace, args: Json) -> Json:
    """Return one person."""
    key = str(args.get("user") or "")
    if key not in workspace.users:
        raise SlackError("user_not_found")
    return {"user": workspace.users[key]}


def user_by_email(workspace: SlackWorkspace, args: Json) -> Json:
    """Return the person with an e-mail address."""
    email = str(args.get("email") or "").lower()
    for found in workspace.users.values():
        if email and (found["profile"]["email"] or "").lower() == email:
            return {"user": found}
    raise SlackError("users_not_found")
