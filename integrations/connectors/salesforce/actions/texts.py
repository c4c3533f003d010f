"""Fill in the templates of rule options."""

from typing import Annotated

from pydantic import AfterValidator, Field

from integrations.connectors import values
from integrations.connectors.base import Task
from integrations.connectors.salesforce.coercion import cut, one_line
from integrations.connectors.salesforce.describing import storable
from integrations.connectors.values import Facts

_LENGTH = 255


def _readable(text: str) -> str:
    trouble = values.problem("template", text)
    if trouble:
        raise ValueError(trouble)
    return text


#: The template of a line of text, as field mappings take them.
Template = Annotated[str, Field(max_length=1000), AfterValidator(_readable)]


def subject(task: Task, template: str) -> tuple[str, tuple[str, ...]]:
    """Return the line that a template makes of the meeting, and what there is to tell about it."""
    facts = Facts(meeting=task.meeting, booking_url=task.booking_url)
    reading = values.read("template", template, facts)
    text = one_line(storable(values.as_text(reading.value))) or task.meeting.name or "Meeting"
    return cut(text, _LENGTH), reading.notes
