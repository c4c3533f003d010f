"""YAML as Calsync takes it: what JSON can say, with the line of every value; and the same written. Pure.

Only plain values are read: no tags, no anchors, no dates, and `yes` is a word. So a file can neither make objects nor grow
when it is read, and what is written is read back as it was.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

#: The longest file, characters, and how deep values may stand in each other.
MOST_TEXT = 300_000
MOST_DEPTH = 40

Path = tuple[int | str, ...]

_PLAIN = {f"tag:yaml.org,2002:{name}" for name in ("map", "seq", "str", "int", "float", "bool", "null")}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Say what is wrong with a file, and in which line; 0 where it is no line's fault."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"Line {self.line}: {self.message}" if self.line else self.message


class UnusableFileError(Exception):
    """A file cannot be used; nothing of it was."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """Hold what a file says, and in which line each value stands."""

    data: Any
    lines: Mapping[Path, int] = field(default_factory=dict)

    def line(self, path: Sequence[int | str]) -> int:
        """Return the line of a value, or of the nearest one around it."""
        found = tuple(path)
        while found and found not in self.lines:
            found = found[:-1]
        return self.lines.get(found, 0)


class _Loader(yaml.SafeLoader):
    """Read numbers, true, false and null as JSON has them, and everything else as text; refuse what could grow."""

    yaml_implicit_resolvers: dict[str, Any] = {}
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # the stubs leave it out
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _refused(
                event, "Anchors and aliases (& and *) are not taken: write the value out."
            )
        self.depth += 1
        if self.depth > MOST_DEPTH:
            raise _refused(event, "This stands too deep in the file.")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"-?(?:0|[1-9][0-9]*)", "-0123456789"),
    ("float", r"-?[0-9]+\.[0-9]+(?:[eE][-+][0-9]+)?", "-0123456789"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first))  # fmt: skip


class _Dumper(yaml.SafeDumper):
    """Write the same thing twice where it stands twice, and several lines as several lines."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


#: Ends of lines that YAML reads as others, unless they are escaped.
_OTHER_ENDS = re.compile("[\r\x85\u2028\u2029]")


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    style = '"' if _OTHER_ENDS.search(value) else "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def read(text: str) -> Document:
    """Read a file.

    Raises:
        UnusableFileError: it is no YAML, or says what is not taken; with the line.
    """
    if len(text) > MOST_TEXT:
        raise UnusableFileError([Problem(line=0, message=f"The file is too long: {MOST_TEXT:,} characters at most.")])  # fmt: skip
    try:
        return _read(_Loader(text))
    except yaml.YAMLError as error:
        raise UnusableFileError([_told(error)]) from error
    except ValueError as error:  # a number that is too long to be one
        raise UnusableFileError([Problem(line=0, message=str(error))]) from error


def write(data: Any) -> str:
    """Write a file that reads as the same."""
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return text


def _read(loader: _Loader) -> Document:
    node = loader.get_single_node()
    lines: dict[Path, int] = {}
    if node is None:
        return Document(data=None)
    if problems := list(_look(node, (), lines)):
        raise UnusableFileError(problems)
    return Document(data=loader.construct_document(node), lines=lines)


def _refused(event: yaml.Event, message: str) -> UnusableFileError:
    mark = event.start_mark
    return UnusableFileError([Problem(line=mark.line + 1 if mark else 0, message=message)])


def _look(node: yaml.Node, path: Path, lines: dict[Path, int]) -> Iterator[Problem]:
    """Note the lines of a value and all in it, and say what is not taken."""
    line = node.start_mark.line + 1
    lines.setdefault(path, line)
    if node.tag not in _PLAIN:
        yield Problem(line=line, message=f"The tag {node.tag} is not taken: write plain values.")
    elif isinstance(node, yaml.MappingNode):
        yield from _look_at_keys(node, path, lines)
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield from _look(item, (*path, number), lines)
    elif "\0" in node.value:
        yield Problem(line=line, message="A text cannot hold the character NUL.")


def _look_at_keys(node: yaml.MappingNode, path: Path, lines: dict[Path, int]) -> Iterator[Problem]:
    seen: set[str] = set()
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
            yield Problem(line=line, message="A name is a text: put it into quotation marks.")
            continue
        if key.value in seen:
            yield Problem(line=line, message=f"{key.value} stands here a second time.")
        seen.add(key.value)
        lines[(*path, key.value)] = line
        yield from _look(value, (*path, key.value), lines)


def _told(error: yaml.YAMLError) -> Problem:
    mark = getattr(error, "problem_mark", None)
    said = getattr(error, "problem", None) or str(error).splitlines()[0]
    return Problem(line=mark.line + 1 if mark else 0, message=f"This is no YAML: {said}.")
