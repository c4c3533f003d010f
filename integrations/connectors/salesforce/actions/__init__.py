"""The actions that a rule can choose beside `sync_meeting`: one module each, and the table that names them."""

from collections.abc import Mapping

from integrations.connectors.salesforce.actions import (
    add_to_campaign,
    create_task,
    file_case,
    set_lead_status,
)
from integrations.connectors.salesforce.actions.base import Action, Given, Work

__all__ = ["ACTIONS", "Action", "Given", "Work"]

#: Every action by its name, in the order in which they are offered.
ACTIONS: Mapping[str, Action] = {
    "file_case": file_case.ACTION,
    "create_task": create_task.ACTION,
    "add_to_campaign": add_to_campaign.ACTION,
    "set_lead_status": set_lead_status.ACTION,
}
