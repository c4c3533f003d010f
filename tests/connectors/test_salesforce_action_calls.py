"""What each action costs, beside finding the person, as the documentation says."""

import pytest

from integrations.connectors.base import Record
from integrations.sandbox.salesforce.org import Write
from tests.connectors.builders import canceled, make_meeting, moved
from tests.connectors.harness import Driver

CAMPAIGN = {"campaign": "Autumn Webinar", "status_canceled": "Responded"}
SEED = Write(via="seed")


@pytest.mark.parametrize(
    ("action", "options", "change", "calls"),
    [
        ("file_case", {}, moved(make_meeting(), days=1), (1, 1, 0)),
        ("create_task", {}, moved(make_meeting(), days=1), (1, 2, 0)),
        ("create_task", {}, make_meeting(name="Other"), (1, 0, 0)),
        ("add_to_campaign", CAMPAIGN, canceled(make_meeting()), (2, 2, 0)),
        ("set_lead_status", {"status": "Working - Contacted"}, make_meeting(), (2, 1, 1)),
    ],
)
def test_an_action_costs_so_many_calls(sandbox, action, options, change, calls):
    driver = Driver("salesforce", sandbox, action=action)
    lead = sandbox.state.salesforce.create("Lead", {"LastName": "L", "Company": "X"}, how=SEED)
    driver.memory.remember(Record(object_type="Lead", remote_id=lead))
    driver.options = options
    driver.connector().check()  # logs in
    driver.deliver(make_meeting(), action="set_lead_status", options={"status": "Working - Contacted"})  # fmt: skip
    sandbox.state.salesforce.update("Lead", lead, {"Status": "Open - Not Contacted"}, how=SEED)
    kind = "canceled" if change.is_canceled else "rescheduled"
    counted = []

    for meeting, kinds in ((make_meeting(), "booked"), (change, kind), (change, kind)):
        before = len(driver.requests())
        driver.deliver(meeting, kind=kinds)
        counted.append(len(driver.requests()) - before)

    assert tuple(counted) == calls
