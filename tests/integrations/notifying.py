"""A connector that tells a channel what it is given, as a test's script has it."""

from typing import ClassVar

from pydantic import Field

from integrations.connectors.base import Notice, Record
from integrations.options import Options
from tests.integrations.scripted import ScriptedConnector

DOTTED_PATH = "tests.integrations.notifying.NotifyingConnector"


class Where(Options):
    room: str = Field(description="The room.")


class NotifyingConnector(ScriptedConnector):
    """Keep what was told; each entry of `script` ends one `notify`."""

    label: ClassVar[str] = "Notifying"
    notifies: ClassVar[bool] = True
    notice_options_model = Where

    told: ClassVar[list[Notice]] = []

    @classmethod
    def plays(cls, *script: BaseException | None) -> None:
        super().plays(*script)
        cls.told = []

    def notify(self, notice, *, options, look_first):
        self.looked_first.append(look_first)
        texts = [line.text for section in notice.sections for line in section.lines]
        self.recorder.record(
            method="POST", url="https://notifying.example/?q=1", request={"title": notice.title, "lines": texts, "token": "s"},
            status=200, response={"said": texts},
        )  # fmt: skip
        ending = self.script.pop(0) if self.script else None
        if ending is not None:
            raise ending
        self.told.append(notice)
        return Record(
            object_type="message", remote_id=f"M{len(self.told)}", url="https://notifying.example/m"
        )
