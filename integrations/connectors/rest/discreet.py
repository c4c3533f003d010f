"""Keep secrets out of what is recorded and told, even where an interface answers with what it was sent."""

from collections.abc import Iterable
from typing import Any

from integrations.http import Recorder

#: A shorter secret would be found in the middle of ordinary words.
_SHORTEST = 6
_HIDDEN = "[secret]"


class Discreet(Recorder):
    """Record through another recorder, with every secret replaced wherever it stands."""

    def __init__(self, inner: Recorder, secrets: Iterable[str]) -> None:
        super().__init__(exchanges=inner.exchanges)
        self._inner = inner
        self._secrets: set[str] = set()
        self.hide(*secrets)

    def hide(self, *secrets: str) -> None:
        """Replace these from now on."""
        self._secrets |= {secret for secret in secrets if len(secret) >= _SHORTEST}

    def without(self, value: Any) -> Any:
        """Return a value of an answer without secrets."""
        if isinstance(value, dict):
            return {self.without(key): self.without(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.without(item) for item in value]
        if not isinstance(value, str):
            return value
        for secret in self._secrets:
            value = value.replace(secret, _HIDDEN)
        return value

    def record(self, **exchange: Any) -> None:
        """Keep one exchange without secrets."""
        self._inner.record(**{name: self.without(value) for name, value in exchange.items()})
