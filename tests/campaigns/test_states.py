"""States: the tables of moves, and the words that the database takes."""

import re
from enum import StrEnum

import pytest
from sqlalchemy import CheckConstraint, Table

from bot.campaigns.states import (
    CAMPAIGN_MOVES,
    DELIVERY_MOVES,
    CampaignState,
    DeliveryState,
    OccurrenceState,
    sources,
)
from storage.deliveries import NOT_BEGUN
from storage.schema import campaign, delivery, occurrence

D = DeliveryState
FINAL = {D.SENT, D.FAILED, D.SUPPRESSED, D.UNCERTAIN}


@pytest.mark.parametrize(
    ("table", "states"),
    [(campaign, CampaignState), (occurrence, OccurrenceState), (delivery, DeliveryState)],
)
def test_the_database_takes_the_states_and_no_other_word(
    table: Table, states: type[StrEnum]
) -> None:
    checks = [c for c in table.constraints if isinstance(c, CheckConstraint)]
    words = {word for check in checks for word in re.findall(r"'(\w+)'", str(check.sqltext))}
    assert words == {state.value for state in states}


@pytest.mark.parametrize(
    ("moves", "states"), [(CAMPAIGN_MOVES, CampaignState), (DELIVERY_MOVES, DeliveryState)]
)
def test_every_state_has_its_moves_and_none_leads_to_itself(
    moves: dict[StrEnum, set[StrEnum]], states: type[StrEnum]
) -> None:
    assert set(moves) == set(states)
    assert all(state not in targets for state, targets in moves.items())


def test_a_delivery_is_final_or_can_still_become_final() -> None:
    assert {state for state, targets in DELIVERY_MOVES.items() if not targets} == FINAL
    for state in DeliveryState:
        reached, open_states = {state}, [state]
        while open_states:
            fresh = DELIVERY_MOVES[open_states.pop()] - reached
            reached |= fresh
            open_states += fresh
        assert reached & FINAL


def test_what_was_begun_is_never_unsaid_but_by_proof() -> None:
    assert {s for s, to in DELIVERY_MOVES.items() if D.READY in to} == {
        D.PLANNED,
        D.LEASED,
        D.SENDING,
    }
    assert D.SENT not in {to for s in DeliveryState if s != D.SENDING for to in DELIVERY_MOVES[s]}


def test_whatever_is_not_begun_can_be_suppressed_and_nothing_else_is_not_begun() -> None:
    assert all(D.SUPPRESSED in DELIVERY_MOVES[state] for state in NOT_BEGUN)
    assert set(NOT_BEGUN) == set(DeliveryState) - FINAL - {D.SENDING}


def test_nothing_leaves_the_end_and_everything_before_it_can_be_cancelled() -> None:
    ends = {CampaignState.FINISHED, CampaignState.CANCELLED}
    assert {state for state, targets in CAMPAIGN_MOVES.items() if not targets} == ends
    assert sources(CampaignState.CANCELLED) == set(CampaignState) - ends
    assert sources(CampaignState.DRAFT) == set()
