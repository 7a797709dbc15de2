"""A tea shop on SQLite, and one on each engine for what only concurrency shows."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tea_shop import Shop, new_shop, open_shop

from storage.database import Database


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    async with new_shop(tmp_path) as opened:
        yield opened


@pytest.fixture
async def either_shop(database: Database, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(database, tmp_path) as opened:
        yield opened
