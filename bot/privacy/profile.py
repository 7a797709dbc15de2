"""What is known of a person besides their answers; sealed under their own key at rest."""

from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A person as their channel presents them. `repr` is empty: it must not reach a log."""

    account: str
    """The id in the channel, as text (Telegram: also the id of the private chat)."""
    first_name: str = ""
    last_name: str = ""
    username: str = ""
    language: str = ""
    source: str = ""
    """The first deep link that brought them (`?start=`)."""

    def __repr__(self) -> str:
        return "Profile(…)"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> Self:
        return cls(**facts)
