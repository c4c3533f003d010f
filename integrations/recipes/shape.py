"""What a recipe is: several rules that belong together, by the role that a connection plays in them. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from integrations.options import Options
from integrations.recipes.entry import Said

#: The one key that makes a value of a rule's options an answer of whoever installs the recipe.
ASK = "$ask"

Key = Annotated[str, Field(pattern=r"^[a-z][a-z_]{0,30}$")]


class _Part(Options):
    model_config = ConfigDict(strict=True)


class Beginning(_Part):
    """What the form of a connection begins with, and which secrets are to be entered there."""

    name: str
    settings: dict[str, Any] = {}
    secrets: dict[str, str] = {}


class Role(_Part):
    """What a connection is for in a recipe, and of which providers it may be.

    `wants` are settings of the connection that the recipe counts on; they are told, and stay the connection's own.
    """

    title: str
    about: str
    providers: list[str]
    optional: bool = False
    wants: dict[str, Any] = {}
    connection: Beginning | None = None


class Ask(_Part):
    """What is asked of whoever installs the recipe; `begins` is what the answer begins with, and may be left as it is."""

    role: Key
    title: str
    about: str
    kind: Literal["text", "number"] = "text"
    begins: str = ""


class RecipeRule(Said):
    """A rule by role."""

    role: Key


class Recipe(_Part):
    """Hold a recipe. `includes` names others whose roles become optional parts of this one."""

    title: str
    about: str
    docs: list[str] = []
    includes: list[str] = []
    roles: dict[Key, Role] = {}
    asks: dict[Key, Ask] = {}
    rules: list[RecipeRule] = []

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if wrong := list(self._wrong()):
            raise ValueError("; ".join(wrong))
        return self

    def _wrong(self) -> Iterator[str]:
        named = [*(rule.role for rule in self.rules), *(ask.role for ask in self.asks.values())]
        yield from (f"there is no role {role}" for role in named if role not in self.roles)
        asked = {name for rule in self.rules for name in asks_in(rule.options)}
        yield from (f"nothing asks for {name}" for name in sorted(asked - self.asks.keys()))
        yield from (f"no rule uses {name}" for name in sorted(self.asks.keys() - asked))
        places = {rule.name: rule.role for rule in self.rules}
        for rule in self.rules:
            if rule.late_rule and places.get(rule.late_rule) != rule.role:
                yield f"{rule.name}: late_rule has to be a rule of the same role"
            if rule.waits_for and rule.waits_for not in places:
                yield f"{rule.name}: there is no rule {rule.waits_for}"

    def with_parts(self, parts: Sequence["Recipe"]) -> "Recipe":
        """Return the recipe with others in it; their roles may be left out."""
        roles, asks, rules = dict(self.roles), dict(self.asks), list(self.rules)
        for part in parts:
            roles |= {name: role.model_copy(update={"optional": True}) for name, role in part.roles.items()}  # fmt: skip
            asks |= part.asks
            rules += part.rules
        return self.model_copy(update={"roles": roles, "asks": asks, "rules": rules})


def asks_in(value: Any) -> Iterator[str]:
    """Yield which answers a value is made of."""
    if isinstance(value, Mapping):
        if set(value) == {ASK}:
            yield str(value[ASK])
        for part in value.values():
            yield from asks_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from asks_in(part)


def answered(value: Any, answers: Mapping[str, Any]) -> Any:
    """Return a value with the answers in it."""
    if isinstance(value, Mapping):
        if set(value) == {ASK}:
            return answers[value[ASK]]
        return {name: answered(part, answers) for name, part in value.items()}
    if isinstance(value, list):
        return [answered(part, answers) for part in value]
    return value
