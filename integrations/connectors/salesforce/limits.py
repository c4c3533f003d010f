"""Read what Salesforce tells of the organisation's request allowance.

Source: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/headers_api_usage.htm
"""

import re

from integrations.connectors.base import Usage

_USED_OF_LIMIT = re.compile(r"\b(?:per-app-)?api-usage\s*=\s*(\d{1,12})\s*/\s*(\d{1,12})")


def read_usage(header: str) -> Usage | None:
    """Return the usage in an answer's `Sforce-Limit-Info`, the scarcer where two are told; None where none is.

    The header reads `api-usage=18/5000; per-app-api-usage=17/250(appName=Calsync)`.
    """
    found = [
        Usage(used=int(used), limit=int(most)) for used, most in _USED_OF_LIMIT.findall(header)
    ]
    return max(
        (usage for usage in found if usage.limit), key=lambda usage: usage.share, default=None
    )
