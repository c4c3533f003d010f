"""Write many meetings at once, exactly as one is written: each by the same code, which is stopped where it asks.

A meeting's writing runs until it needs an answer that is not there. What all of them need then travels in as few
calls as there can be, and each runs again from its start with the answers it got so far; what it remembered or forgot
already is not done twice. It sees nothing else of the world, so that it comes to the same point again.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from integrations.connectors.base import Applied, Job, Record
from integrations.connectors.salesforce.client import Reply, SalesforceClient
from integrations.connectors.salesforce.collections import Request, groups
from integrations.connectors.salesforce.line import Answer, Line
from integrations.connectors.salesforce.looking import Inquiry
from integrations.errors import IntegrationError

#: Writes one meeting over a client.
Write = Callable[[SalesforceClient, Job], Applied]


def carry_out(
    line: Line, jobs: Sequence[Job], write: Write, *, alone: Callable[[Job], bool]
) -> list[Applied | Exception]:
    """Return an outcome for each job, in order; those that have to be written `alone` are, after the others."""
    runs = [_Run(job=job, line=line) for job in jobs]
    waiting = [run for run in runs if not alone(run.job) and run.goes_on(write)]
    holders: dict[str, _Run] = {}
    while waiting:
        for run in _answered(line, waiting, holders):
            if not run.goes_on(write):
                waiting.remove(run)
                holders = {name: held for name, held in holders.items() if held is not run}
    return [_written_alone(run, write) if alone(run.job) else run.outcome for run in runs]


def _answered(line: Line, waiting: Sequence["_Run"], holders: dict[str, "_Run"]) -> list["_Run"]:
    """Bring answers to those who need the same first, and return them.

    One meeting at a time reads and changes a person: of what two append, one would be lost.
    """
    free = [
        run
        for run in waiting
        if not run.wanted.record or holders.setdefault(run.wanted.record, run) is run
    ] or waiting[:1]
    answered = []
    for places in groups([run.wanted for run in free]):
        group = [free[place] for place in places]
        answers = line.answer([run.wanted for run in group], [run.job.recorder for run in group])
        for run, answer in zip(group, answers, strict=True):
            run.answers[run.wanted.key].append(answer)
        answered += group
    return answered


def _written_alone(run: "_Run", write: Write) -> Applied | Exception:
    try:
        return write(_Direct(run), run.job)
    except Exception as error:  # noqa: BLE001  # one's trouble is its outcome, and stops no other
        return error


class _NeedsAnswer(BaseException):
    """Stop a meeting's writing where it asks: no failure, so that nothing takes it for one and goes on."""


@dataclass(slots=True, eq=False)
class _Run:
    """Hold how far the writing of one meeting has come."""

    job: Job
    line: Line
    answers: dict[str, list[Answer]] = field(default_factory=lambda: defaultdict(list))
    wanted: Request = field(init=False)
    outcome: Applied | Exception = field(init=False)
    effects: int = 0

    def goes_on(self, write: Write) -> bool:
        """Run until an answer is missing, and tell whether one is; otherwise it has ended."""
        effects = _Effects(self)
        job = replace(self.job, remember=effects.remember, forget=effects.forget)
        try:
            self.outcome = write(_Turn(self), job)
        except _NeedsAnswer:
            return True
        except Exception as error:  # noqa: BLE001  # as above
            self.outcome = error
        return False


class _Effects:
    """Pass on what is remembered and forgotten, each once over all runs of a meeting."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._seen = 0

    def remember(self, record: Record) -> None:
        """Store a record, unless an earlier run did."""
        if self._is_new():
            self._run.job.remember(record)

    def forget(self, object_type: str, key: str) -> None:
        """Forget a record, unless an earlier run did."""
        if self._is_new():
            self._run.job.forget(object_type, key)

    def _is_new(self) -> bool:
        self._seen += 1
        is_new = self._seen > self._run.effects
        self._run.effects = max(self._seen, self._run.effects)
        return is_new


class _Direct(SalesforceClient):
    """Send one meeting's requests over the line, each as it comes."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._line = run.line
        self.limits = run.line.limits

    @property
    def data_path(self) -> str:
        """Return where the chosen API version begins."""
        return self._line.data_path

    @property
    def instance_url(self) -> str:
        """Return the address of the organization."""
        return self._line.instance_url

    @property
    def identity(self) -> str:
        """Return the address that names user and organization."""
        return self._line.identity

    def look_up(self, json_body: object, *, inquiry: object) -> Reply:
        """Return the answer to a look-up."""
        asked = inquiry if isinstance(inquiry, Inquiry) else None
        path = f"{self.data_path}/composite"
        return self._answered(
            Request(method="POST", path=path, body=json_body, reads=True, inquiry=asked)
        )

    def send(
        self,
        method: str,
        path: str,
        *,
        json_body: object = None,
        headers: Mapping[str, str] | None = None,
        reads: bool = False,
    ) -> Reply:
        """Return the answer to a request."""
        return self._answered(
            Request(method=method, path=path, body=json_body, headers=headers or {}, reads=reads)
        )

    def _answered(self, request: Request) -> Reply:
        answer = self._line.answer([request], [self._run.job.recorder])[0]
        self.limits = self._line.limits
        return _given(answer)


class _Turn(_Direct):
    """Answer from what was answered already; stop the meeting's writing at the first request that was not."""

    def __init__(self, run: _Run) -> None:
        super().__init__(run)
        self._asked: Counter[str] = Counter()

    def _answered(self, request: Request) -> Reply:
        answers, place = self._run.answers[request.key], self._asked[request.key]
        if place == len(answers):
            self._run.wanted = request
            raise _NeedsAnswer
        self._asked[request.key] += 1
        return _given(answers[place])


def _given(answer: Answer) -> Reply:
    if isinstance(answer, IntegrationError):
        raise answer
    return answer
