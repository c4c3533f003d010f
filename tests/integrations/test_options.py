"""What is told where settings or options are not what they are declared to be: the same of every connector."""

import pytest
from pydantic import Field, field_validator, model_validator

from integrations.errors import ConfigurationError, RuleError
from integrations.options import Options, read_options, read_settings


class Card(Options):
    channel: str = Field(min_length=1)
    lines: int = 1

    @field_validator("channel")
    @classmethod
    def _named(cls, value: str) -> str:
        if not value.startswith("#"):
            raise ValueError("begin it with #.")
        return value

    @model_validator(mode="after")
    def _fits(self) -> "Card":
        if self.channel == "#small" and self.lines > 1:
            raise ValueError("#small takes one line")
        return self


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, "option channel is wrong: Field required."),
        ({"channel": "x"}, "option channel is wrong: begin it with #."),
        ({"channel": "#a", "color": 1}, "option color is wrong: Extra inputs are not permitted."),
        ({"channel": "#small", "lines": 2}, "options are wrong: #small takes one line."),
    ],
)
def test_the_first_thing_that_is_wrong_is_told_with_whose_it_is(values, told):
    with pytest.raises(RuleError) as of_rule:
        read_options(Card, values)
    with pytest.raises(RuleError) as of_channel:
        read_options(Card, values, whose="channel")
    with pytest.raises(ConfigurationError) as of_connection:
        read_settings(Card, values)

    assert str(of_rule.value) == f"The rule's {told}"
    assert of_rule.value.hint == "Open the rule and correct its options."
    assert str(of_channel.value) == f"The channel's {told}"
    assert str(of_connection.value) == f"The connection's {told.replace('option', 'setting')}"
    assert of_connection.value.hint == "Open the connection and correct its settings."
