"""What a bundle of everything keeps closed: erasures and sweeps must explain it."""

from typing import Final

from bot.proof.payload import CONSENT, EXPLAINERS
from bot.proof.report import MAX_FAILURES, Report

KEPT: Final = MAX_FAILURES
"""More are only counted: the report would not list them either."""


class Closures:
    """Closed answers and deliveries, and the entries that explain them, as they are read."""

    def __init__(self) -> None:
        self.first: int | None = None
        """The first erasure or sweep."""
        self._explaining = 0
        self._answers = 0
        self._open: list[int] = []
        """Closed answers since the last erasure or sweep."""
        self._more = 0
        self._seals: list[tuple[int, int]] = []
        self._more_seals = self._deliveries = 0

    def see(self, index: int, kind: str, *, is_closed: bool) -> None:
        """Take an entry that is closed, or that explains others."""
        if kind in EXPLAINERS:
            self.first = index if self.first is None else self.first
            self._explaining += 1
            self._answers += len(self._open) + self._more
            self._open, self._more = [], 0
        elif is_closed and kind.startswith(CONSENT):
            if len(self._open) < KEPT:
                self._open.append(index)
            else:
                self._more += 1

    def see_seal(self, index: int, closed: int) -> None:
        """Take how many of its deliveries a seal keeps closed."""
        self._deliveries += closed
        if closed and len(self._seals) < KEPT:
            self._seals.append((index, closed))
        elif closed:
            self._more_seals += 1

    def finish(self, report: Report) -> None:
        """Tell what nothing explains, and how much is explained."""
        for index in self._open:
            report.fail(
                f"entry {index}: it is closed, and no erasure or sweep after it explains that"
            )
        report.more_failures += self._more
        if not self._explaining:
            for index, closed in self._seals:
                report.fail(
                    f"entry {index}: {closed} of its deliveries are closed, and no erasure or "
                    "sweep is in the log"
                )
            report.more_failures += self._more_seals
        elif self._answers or self._deliveries:
            report.remark(
                f"{self._answers} answers and {self._deliveries} deliveries are closed; "
                f"{self._explaining} erasures and sweeps are in the log"
            )
