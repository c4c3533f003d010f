"""What Salesforce tells of the request allowance."""

import pytest

from integrations.connectors.base import Usage
from integrations.connectors.salesforce.limits import read_usage
from integrations.errors import IntegrationError


@pytest.mark.parametrize(
    ("header", "usage"),
    [
        ("api-usage=18/5000", Usage(used=18, limit=5000)),
        ("API-Usage=18/5000", None),
        ("api-usage=18/5000; per-app-api-usage=17/250(appName=x)", Usage(used=17, limit=250)),
        ("api-usage=4990/5000; per-app-api-usage=1/250(appName=x)", Usage(used=4990, limit=5000)),
        ("api-usage = 1 / 2", Usage(used=1, limit=2)),
        ("api-usage=0/0", None),
        ("api-usage=many/5000", None),
        ("", None),
    ],
)
def test_the_header_is_read(header, usage):
    assert read_usage(header) == usage


def test_every_answer_tells_the_connector(to_salesforce):
    to_salesforce.server.state.config.change({"salesforce_daily_limit": 1000})
    task, connector = to_salesforce.task(), to_salesforce.connector()

    connector.apply(
        task,
        connector.plan(task),
        remember=to_salesforce.memory.remember,
        forget=to_salesforce.memory.forget,
    )

    assert connector.usage == Usage(used=3, limit=1000)


def test_a_refusal_tells_it_too(to_salesforce):
    to_salesforce.server.state.config.change({"salesforce_daily_limit": 2})
    task, connector = to_salesforce.task(), to_salesforce.connector()

    with pytest.raises(IntegrationError):
        connector.apply(
            task,
            connector.plan(task),
            remember=to_salesforce.memory.remember,
            forget=to_salesforce.memory.forget,
        )

    assert connector.usage == Usage(used=2, limit=2)
