"""Who changes a rule on the command line, for its history in the admin."""

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth import get_user_model

from integrations.models import Rule

#: An account for the history alone: nobody can sign in with it.
COMMAND_LINE = "command-line"


def account_id() -> int:
    """Return the account that stands in the history for the command line; it is made with the first change."""
    accounts = get_user_model().objects
    account = accounts.filter(username=COMMAND_LINE).first()
    return int((account or accounts.create_user(COMMAND_LINE, is_active=False)).pk)


def note(rule: Rule, message: str) -> None:
    """Write a change into the rule's history."""
    LogEntry.objects.log_actions(account_id(), [rule], CHANGE, change_message=message)
