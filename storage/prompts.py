"""Questions that wait for an answer: one-time, bound to person, purpose, text and end."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.consent.rules import EntryId, PurposeId, SubjectId
from storage.schema import prompt

OVER = "over"
"""Stands for a choice where the question ended without one."""


class Step(StrEnum):
    """What a prompt asks for."""

    ANSWER = "answer"
    CONFIRM = "confirm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """`sealed` is what was shown, under the person's key. `choice` is set once it is spent."""

    nonce: str
    subject_id: SubjectId
    purpose_id: PurposeId
    notice_version: int
    locale: str
    step: Step
    reasked: bool
    sealed: bytes
    created_at: datetime
    expires_at: datetime
    choice: str | None = None
    entry_id: EntryId | None = None


async def add(tx: AsyncConnection, new: Prompt) -> None:
    await tx.execute(
        insert(prompt).values(
            nonce=new.nonce,
            subject_id=new.subject_id,
            purpose_id=new.purpose_id,
            notice_version=new.notice_version,
            locale=new.locale,
            step=new.step,
            reasked=new.reasked,
            sealed=new.sealed,
            created_at=new.created_at,
            expires_at=new.expires_at,
        )
    )


async def get(tx: AsyncConnection, nonce: str) -> Prompt | None:
    row = (await tx.execute(select(prompt).where(prompt.c.nonce == nonce))).one_or_none()
    return None if row is None else _prompt(row)


async def of_subject(tx: AsyncConnection, subject_id: SubjectId) -> list[Prompt]:
    """What a person is being asked, and was asked lately, oldest first."""
    query = (
        select(prompt)
        .where(prompt.c.subject_id == subject_id)
        .order_by(prompt.c.created_at, prompt.c.nonce)
    )
    return [_prompt(row) for row in await tx.execute(query)]


def _prompt(row: Any) -> Prompt:
    return Prompt(
        nonce=row.nonce,
        subject_id=row.subject_id,
        purpose_id=row.purpose_id,
        notice_version=row.notice_version,
        locale=row.locale,
        step=Step(row.step),
        reasked=row.reasked,
        sealed=row.sealed,
        created_at=row.created_at,
        expires_at=row.expires_at,
        choice=row.choice,
        entry_id=row.entry_id,
    )


async def spend(tx: AsyncConnection, nonce: str, *, choice: str, entry_id: EntryId | None) -> bool:
    """Mark a prompt as answered. False: somebody was first."""
    statement = (
        update(prompt)
        .where(prompt.c.nonce == nonce, prompt.c.choice.is_(None))
        .values(choice=choice, entry_id=entry_id)
    )
    return (await tx.execute(statement)).rowcount == 1


async def end_confirmations(
    tx: AsyncConnection, subject_id: SubjectId, purpose_id: PurposeId
) -> None:
    """Let a confirmation that was asked for be given no more: what it would confirm has ended."""
    await tx.execute(
        update(prompt)
        .where(
            prompt.c.subject_id == subject_id,
            prompt.c.purpose_id == purpose_id,
            prompt.c.step == Step.CONFIRM,
            prompt.c.choice.is_(None),
        )
        .values(choice=OVER)
    )


async def remove_of(tx: AsyncConnection, subject_id: SubjectId) -> None:
    await tx.execute(delete(prompt).where(prompt.c.subject_id == subject_id))


async def remove_ended(tx: AsyncConnection, before: datetime) -> None:
    """Forget prompts that ended before a moment; what an answer showed is in its entry."""
    await tx.execute(
        delete(prompt).where(prompt.c.expires_at < before, prompt.c.reasked.is_(False))
    )
