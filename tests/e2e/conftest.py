"""The shop that the tests of this folder walk into."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from shop import Shop, open_shop


@pytest.fixture
async def closed_shop(tmp_path: Path) -> AsyncIterator[Shop]:
    """A shop whose bot does not run yet."""
    async with open_shop(tmp_path) as shop:
        yield shop


@pytest.fixture
async def shop(closed_shop: Shop) -> Shop:
    await closed_shop.open()
    return closed_shop
