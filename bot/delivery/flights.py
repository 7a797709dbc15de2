"""What is on its way right now, so that a withdrawal can still stop it."""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from bot.consent.rules import SubjectId

RECALL_SECONDS: Final = 2.0
"""How long the answer to a withdrawal waits for a message that is already being written."""


@dataclass(slots=True, kw_only=True)
class Flight:
    """One send between its committed `sending` and its recorded result."""

    subject_id: SubjectId
    is_written: bool = False
    is_recalled: bool = False
    landed: asyncio.Event = field(default_factory=asyncio.Event)


class Flights:
    """The sends of this process; as many as its concurrency at most."""

    def __init__(self) -> None:
        self._by_subject: dict[SubjectId, set[int]] = {}
        self._flights: dict[int, Flight] = {}

    def __len__(self) -> int:
        return len(self._flights)

    def begin(self, subject_id: SubjectId) -> Flight:
        flight = Flight(subject_id=subject_id)
        self._flights[id(flight)] = flight
        self._by_subject.setdefault(subject_id, set()).add(id(flight))
        return flight

    def end(self, flight: Flight) -> None:
        flight.landed.set()
        del self._flights[id(flight)]
        of_person = self._by_subject[flight.subject_id]
        of_person.discard(id(flight))
        if not of_person:
            del self._by_subject[flight.subject_id]

    def people(self) -> set[SubjectId]:
        return set(self._by_subject)

    async def recall(self, subject_id: SubjectId) -> None:
        """Stop what is not written yet; wait, for a moment, for what is."""
        written = []
        for key in self._by_subject.get(subject_id, ()):
            flight = self._flights[key]
            if flight.is_written:
                written.append(flight)
            else:
                flight.is_recalled = True
        if written:
            waits = [asyncio.ensure_future(flight.landed.wait()) for flight in written]
            await asyncio.wait(waits, timeout=RECALL_SECONDS)
            for wait in waits:
                wait.cancel()
