"""Russia, as of 2026-11-24.

- 38-FZ art. 18.1 and art. 5: advertising is labelled with the word, the advertiser and, where
  one was issued, the erid. The label is in Russian whatever the reader's language.
- 38-FZ art. 5(10.7), in force since 2025-09-01: no advertising on resources to which access is
  restricted. The antimonopoly service said on 2026-03-05 and 2026-03-10 that this covers
  Telegram. Disputed.
"""

from typing import Final

from bot.errors import phrase

ADVERTISEMENT_WORD: Final = {"*": "Реклама"}
REGISTRATION_WORD: Final = {"*": "ИНН"}
ADVISORIES: Final = {
    "RU-38FZ-5-10.7": phrase(
        "The Russian antimonopoly service holds that advertising through Telegram is forbidden "
        "(38-FZ art. 5(10.7), since 2025-09-01; statements of 2026-03-05 and 2026-03-10). "
        "This is disputed. Advertising is refused until the controller takes the risk by name."
    )
}
