"""The audit of packages: findings fail it, a missing network does not, and is said."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

AUDIT = runpy.run_path(str(Path(__file__).resolve().parent.parent / ".ci" / "audit.py"))


def document(*packages: dict[str, Any]) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


WHOLE = {"name": "a", "version": "1", "vulns": []}
WEAK = {
    "name": "b",
    "version": "2",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1"]}, {"id": "PYSEC-2", "fix_versions": []}],
}
UNKNOWN = {"name": "c", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("ended", "status", "words"),
    [
        (
            (0, document(WHOLE, UNKNOWN), "No known vulnerabilities found"),
            0,
            "no known vulnerability in 1 of 2 packages",
        ),
        (
            (1, document(WHOLE, WEAK), "Found 2"),
            1,
            "b 2: PYSEC-1, mended in 2.1\naudit: b 2: PYSEC-2, mended in no version yet",
        ),
        (
            (0, document(UNKNOWN), "No known vulnerabilities found"),
            0,
            "skipped, the data on vulnerabilities cannot be reached",
        ),
        ((1, "", "…\nrequests.exceptions.ConnectionError: Max retries exceeded"), 0, "skipped, the data on"),
        ((1, "", "Traceback\nKeyError: 'x'"), 1, "pip-audit failed: KeyError: 'x'"),
        ((1, "[1", ""), 1, "pip-audit failed: it said nothing"),
        ((3, document(WHOLE), ""), 1, "failed with status 3"),
    ],
    ids=["well", "weak", "unknown", "no network", "fault", "nothing", "status"],
)
def test_what_it_says(ended: tuple[int, str, str], status: int, words: str) -> None:
    found, said = AUDIT["verdict"](*ended)
    assert found == status
    assert words in said
