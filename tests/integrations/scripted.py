"""A connector that does what a test tells it to: registered by dotted path, like any other."""

import threading
from typing import ClassVar

from integrations.connectors.base import Applied, Connector, Record, Send, Skip, Step
from integrations.options import Options

DOTTED_PATH = "tests.integrations.scripted.ScriptedConnector"


class ScriptedConnector(Connector):
    """Keep what was sent, by delivery; each entry of `script` ends one `apply`: an exception is raised."""

    label: ClassVar[str] = "Scripted"
    actions: ClassVar[dict[str, str]] = {"write": "Write"}
    settings_model = Options
    options_model = Options
    secret_fields: ClassVar[dict[str, str]] = {}
    shows_links: ClassVar[bool] = True

    script: ClassVar[list[BaseException | None]] = []
    sent: ClassVar[list[int]] = []
    looked_first: ClassVar[list[bool]] = []
    threads: ClassVar[set[int]] = set()
    linked: ClassVar[list[list[str]]] = []

    @classmethod
    def plays(cls, *script: BaseException | None) -> None:
        """Begin anew with this script; past its end everything succeeds."""
        cls.script, cls.sent, cls.looked_first, cls.linked = list(script), [], [], []

    def plan(self, task):
        """Skip what a record says is written already."""
        record = task.record("Thing")
        if record and record.content_hash == str(task.meeting.start_at):
            return Skip(reason="Already equal.")
        return Send(summary="Write it.", payload=None, steps=(Step(name="decide", detail="write"),))

    def apply(self, task, decision, *, remember, forget):
        """Count the write, then end as the script says."""
        self.sent.append(task.delivery_id)
        self.threads.add(threading.get_ident())
        self.looked_first.append(task.look_first)
        self.linked.append([link.url for link in task.links])
        self.recorder.record(
            method="POST", url="https://scripted.example/", request={"token": "s"}, status=200
        )
        ending = self.script.pop(0) if self.script else None
        if ending is not None:
            raise ending
        remember(
            Record(
                object_type="Thing",
                remote_id="T1",
                content_hash=str(task.meeting.start_at),
                url="https://t.example",
            )
        )
        return Applied(summary="Written.")

    def check(self):
        """Always be well."""
        return Applied(summary="Fine.")
