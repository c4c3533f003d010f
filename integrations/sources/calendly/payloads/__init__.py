"""Calendly's JSON -> snapshots. Pure, tolerant, and the only place that knows Calendly's keys.

`reading` decodes and cleans, `parts`, `shapes` and `directory` turn one object into one snapshot,
`envelope` reads webhooks, `answers` reads what the API answers.
"""

from integrations.sources.calendly.payloads.answers import parse_api
from integrations.sources.calendly.payloads.envelope import parse_webhook

__all__ = ["parse_api", "parse_webhook"]
