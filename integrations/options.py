"""Typed settings of connections and options of rules; the admin builds its forms from these."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from integrations.errors import ConfigurationError, RuleError


class Options(BaseModel):
    """Base of typed settings and rule options: unknown keys are refused, so that a typing mistake is seen.

    Forms are made of it: a field's `title` is its label, its description the help below it, its first example is shown
    where it is written as JSON.
    """

    #: What belongs together in a form, by heading; names that are in none come first.
    sections: ClassVar[Mapping[str, Sequence[str]]] = {}
    #: What the values of a choice are called for people, by name and value.
    choice_labels: ClassVar[Mapping[str, Mapping[str, str]]] = {}

    model_config = ConfigDict(extra="forbid", frozen=True)


OptionsT = TypeVar("OptionsT", bound=Options)


def read_settings(model: type[OptionsT], values: Mapping[str, Any]) -> OptionsT:
    """Return a connection's settings as what they are declared to be.

    Raises:
        ConfigurationError: one of them is wrong; it says which, and why.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise ConfigurationError(
            f"The connection's {_first(error, of='setting')}.",
            hint="Open the connection and correct its settings.",
        ) from error


def read_options(
    model: type[OptionsT], values: Mapping[str, Any], *, whose: str = "rule"
) -> OptionsT:
    """Return the options of a rule, or of a channel, as what they are declared to be.

    Raises:
        RuleError: one of them is wrong; it says which, and why.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise RuleError(
            f"The {whose}'s {_first(error, of='option')}.",
            hint=f"Open the {whose} and correct its options.",
        ) from error


def _first(error: ValidationError, *, of: str) -> str:
    """Say what is wrong first; where several are wrong together, the message names them itself."""
    problem = error.errors()[0]
    name = ".".join(map(str, problem["loc"]))
    what = f"{of} {name} is" if name else f"{of}s are"
    return f"{what} wrong: {problem['msg'].removeprefix('Value error, ').rstrip('.')}"


def told(problem: Any) -> str:
    """Say in a sentence what a model refuses, without the place."""
    match problem["type"]:
        case "extra_forbidden":
            return "there is no such name."
        case "missing":
            return "is required."
        case "string_pattern_mismatch":
            return "This does not have the form that is described."
    return f"{problem['msg'].removeprefix('Value error, ')}."
