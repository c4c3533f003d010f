"""Hold the sandbox's answers against Calendly's own OpenAPI document.

    python -m tests.sandbox.validate_openapi PATH/TO/openapi-2024-04.yaml

Prints a line for every operation of either side, and exits with 1 on a difference that is not known.
The document is not part of the repository; Calendly published it in April 2024 as version 2.0.0.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from integrations.sandbox import SandboxServer
from integrations.sandbox.calendly.api import ROUTES
from tests.sandbox.openapi_differences import KNOWN
from tests.sandbox.openapi_document import Document, Json, read, same_shape
from tests.sandbox.openapi_walk import Answer, Walk


@dataclass
class Verdict:
    """What was found at one operation."""

    statuses: set[int] = field(default_factory=set)
    differences: list[str] = field(default_factory=list)
    is_newer: bool = False


def validate(raw: Json) -> tuple[list[str], bool]:
    """Walk a sandbox; return a line for every operation, and whether all is as it should be."""
    with SandboxServer() as server:
        answers = Walk(server).everything()
    verdicts = _judge(raw, answers)
    served = {f"{method} {path}" for method, path, _, _ in ROUTES}
    documented = Document(raw).operations()
    lines = [*_of_document(documented, served, verdicts), *_beyond(documented, served)]
    stale = list(_stale(raw, answers))
    notes = [f"known    {'/'.join(one.at)}: {one.why}" for one in KNOWN]
    return [*lines, *notes, *stale], not stale and not any(
        line.startswith("differs") for line in lines
    )


def _judge(raw: Json, answers: list[Answer]) -> dict[str, Verdict]:
    plain, amended = Document(raw), Document(raw, KNOWN)
    verdicts: dict[str, Verdict] = defaultdict(Verdict)
    for answer in answers:
        verdict = verdicts[answer.operation]
        verdict.statuses.add(answer.status)
        found = amended.differences(answer.operation, answer.status, answer.body)
        if answer.status != answer.meant:
            found.append(f"the walk meant to see {answer.meant}")
        verdict.differences += [f"{answer.status}: {text}" for text in found]
        newer = plain.differences(answer.operation, answer.status, answer.body)
        verdict.is_newer = verdict.is_newer or bool(newer)
    return verdicts


def _of_document(
    documented: list[str], served: set[str], verdicts: dict[str, Verdict]
) -> Iterator[str]:
    shapes = {same_shape(operation) for operation in served}
    for operation in documented:
        if same_shape(operation) not in shapes:
            yield f"absent   {operation}: the sandbox does not serve it"
        elif operation not in verdicts:
            yield f"differs  {operation}: served, but the walk does not come here"
        else:
            yield _line(operation, verdicts[operation])


def _line(operation: str, verdict: Verdict) -> str:
    if verdict.differences:
        return f"differs  {operation}: " + "; ".join(dict.fromkeys(verdict.differences))
    statuses = ", ".join(str(status) for status in sorted(verdict.statuses))
    newer = ", newer than the document in ways known" if verdict.is_newer else ""
    return f"ok       {operation} ({statuses}{newer})"


def _beyond(documented: list[str], served: set[str]) -> Iterator[str]:
    shapes = {same_shape(operation) for operation in documented}
    for operation in sorted(served, key=lambda one: one.split(" ")[::-1]):
        if same_shape(operation) not in shapes:
            yield f"beyond   {operation}: not covered by the document"


def _stale(raw: Json, answers: list[Answer]) -> Iterator[str]:
    """Name the known differences that no answer needs any more."""
    for amendment in KNOWN:
        others = Document(raw, [one for one in KNOWN if one is not amendment])
        needed = any(
            others.differences(answer.operation, answer.status, answer.body) for answer in answers
        )
        if not needed:
            yield f"stale    {'/'.join(amendment.at)}: no answer differs here any more"


def main() -> int:
    """Print the lines and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.sandbox.validate_openapi")
    parser.add_argument("document", type=Path, help="Calendly's OpenAPI document, YAML or JSON")
    lines, is_true = validate(read(parser.parse_args().document))
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if is_true else 1


if __name__ == "__main__":
    raise SystemExit(main())
