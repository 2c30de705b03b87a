"""What `tdl doctor` says: one thing looked at, in a line. Imports no torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

GOOD, CAUTION, BAD = "ok", "!", "✗"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `advice` says what would be right, where something is not."""

    subject: str
    mark: str
    text: str
    advice: str = ""

    @property
    def line(self) -> str:
        return f"{self.mark:<3}{self.subject:<12}{self.text}{f'; {self.advice}' if self.advice else ''}"

    def document(self) -> dict[str, Any]:
        return asdict(self)
