"""What tests of several areas share."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parent.parent / "docs" / "plugins.md"


@pytest.fixture
def documented_plugins(tmp_path: Path) -> dict[str, Path]:
    """The plugins that docs/plugins.md shows, each saved in a file under the name that the text gives it."""
    paths = {}
    for name, source in re.findall(r"Save this as `(\w+)\.py`.*?```python\n(.*?)```", PLUGINS.read_text(), re.DOTALL):
        paths[name] = tmp_path / f"{name}.py"
        paths[name].write_text(source)
    return paths
