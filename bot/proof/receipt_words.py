"""What a receipt says in words, in the language of the consent that it is of.

The proof package stands alone, so these few sentences live here and not in the catalogues.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The sentences of one locale."""

    title: str
    """Takes `title`, the purpose's."""
    methods: dict[str, str]
    """How an answer was given, by the payload's `method`."""
    other_method: str
    until_withdrawn: str
    withdraw_title: str
    withdraw_at: str
    """Takes `contact`."""
    not_proven_title: str
    not_proven: tuple[str, ...]


ENGLISH: Final = Words(
    title="Receipt for an answer about “{title}”",
    methods={
        "callback": "A press of a button in the chat",
        "text": "A plain word written in the chat",
        "command": "A command written in the chat",
        "undo": "A press of the button that takes a withdrawal back",
        "prerequisite": "Ended together with the consent that it requires",
        "clock": "Nobody acted: the time of the consent was over",
    },
    other_method="Another way",
    until_withdrawn="Until the consent is withdrawn",
    withdraw_title="Right to withdraw the consent",
    withdraw_at=(
        "The same chat: /stop, /subscriptions, or the button under every message. "
        "A person answers: {contact}"
    ),
    not_proven_title="What this receipt does not prove",
    not_proven=(
        "By itself it proves nothing: what can be checked is the proof file that it names.",
        "Who sat behind the account.",
        "That the person understood the text.",
        "That the operator's clock was right, unless a time authority has stamped the checkpoint.",
        "That the signing key is the operator's: compare its fingerprint by another way.",
        "What came before and after: a later withdrawal is an entry of its own.",
    ),
)
RUSSIAN: Final = Words(
    title="Квитанция об ответе: «{title}»",
    methods={
        "callback": "Нажатие кнопки в чате",
        "text": "Слово, написанное в чате",
        "command": "Команда, написанная в чате",
        "undo": "Нажатие кнопки, которая отменяет отказ",
        "prerequisite": "Закончилось вместе с согласием, без которого не действует",
        "clock": "Никто ничего не делал: срок согласия истёк",
    },
    other_method="Другой способ",
    until_withdrawn="До отзыва согласия",
    withdraw_title="Право отозвать согласие",
    withdraw_at=(
        "Тот же чат: /stop, /subscriptions или кнопка под каждым сообщением. "
        "Отвечает человек: {contact}"
    ),
    not_proven_title="Чего эта квитанция не доказывает",
    not_proven=(
        "Сама по себе — ничего: проверить можно файл доказательства, который в ней назван.",
        "Кто пользовался учётной записью.",
        "Что человек понял текст.",
        "Что часы оператора шли верно, если контрольную точку не заверила служба меток времени.",
        "Что ключ подписи принадлежит оператору: сверьте его отпечаток другим путём.",
        "Что было до и после: более поздний отзыв — отдельная запись.",
    ),
)


def words_of(locale: object) -> Words:
    """Return the words of a locale; English where it is not served."""
    return RUSSIAN if locale == "ru" else ENGLISH
