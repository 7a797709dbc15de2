"""A shop that sends."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from delivery_shop import Shop, open_shop


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(tmp_path) as opened:
        yield opened
