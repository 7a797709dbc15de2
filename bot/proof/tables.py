"""The tables of a bundle, held against their entries: no line missing, none too many."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from bot.proof import bundle
from bot.proof.entry import Entry
from bot.proof.payload import COLUMNS, csv_line, table_lines

CSV_INDEX: Final = re.compile(rb"(\d{1,18}),")
JSON_INDEX: Final = re.compile(rb'\{"index": (\d{1,18}),')
Fail = Callable[[str], None]


class Tables:
    """Both tables, read beside the entries."""

    def __init__(self, csv: Iterator[bytes], jsonl: Iterator[bytes], fail: Fail) -> None:
        if next(csv, b"") + b"\n" != csv_line(COLUMNS).encode():
            fail(f"{bundle.CSV} has other columns than it must have")
        self._csv = _Table(bundle.CSV, csv, CSV_INDEX, fail)
        self._jsonl = _Table(bundle.JSONL, jsonl, JSON_INDEX, fail)

    def check(self, index: int, read: Entry, payload: Mapping[str, Any] | None) -> None:
        """Hold what stands next in both against the row of an entry, which must be there."""
        csv, json = table_lines(index, read, payload)
        self._csv.check(index, csv.encode())
        self._jsonl.check(index, json.encode())

    def pass_over(self, index: int) -> None:
        """Leave out the lines before an index: their entries are told to be wrong elsewhere."""
        self._csv.pass_over(index)
        self._jsonl.pass_over(index)

    def finish(self) -> None:
        self._csv.finish()
        self._jsonl.finish()


class _Table:
    """One of them. A cell may hold line ends, so that a row may be several lines."""

    def __init__(
        self, name: str, lines: Iterator[bytes], index: re.Pattern[bytes], fail: Fail
    ) -> None:
        self._name, self._lines, self._index, self._fail = name, lines, index, fail
        self._line = next(lines, None)

    def check(self, index: int, expected: bytes) -> None:
        if self._line is not None and self._line + b"\n" == expected:
            self._line = next(self._lines, None)
            return
        self._refuse_before(index)
        if self._at() != index:
            self._fail(f"entry {index}: {self._name} has no line of it")
        elif self._take(expected.count(b"\n")) != expected:
            self._fail(f"entry {index}: {self._name} tells something else")

    def pass_over(self, index: int) -> None:
        while (at := self._at()) is not None and at < index:
            self._take(1)

    def finish(self) -> None:
        self._refuse_before(None)

    def _refuse_before(self, index: int | None) -> None:
        while self._line is not None:
            at = self._at()
            if at is not None and index is not None and at >= index:
                return
            self._fail(
                f"{self._name} has a line without an index"
                if at is None
                else f"entry {at}: {self._name} has a line that does not belong there"
            )
            self._take(1)

    def _at(self) -> int | None:
        found = None if self._line is None else self._index.match(self._line)
        return None if found is None else int(found[1])

    def _take(self, count: int) -> bytes:
        taken: list[bytes] = []
        while self._line is not None and len(taken) < count:
            taken.append(self._line + b"\n")
            self._line = next(self._lines, None)
        return b"".join(taken)
