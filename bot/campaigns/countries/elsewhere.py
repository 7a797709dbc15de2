"""Where no module of its own exists: advertising is still named as such, with its advertiser.

Source: Directive 2000/31/EC art. 6 (commercial communications must be identifiable, and so must
the person on whose behalf they are made); as of 2026-11-24.
"""

from typing import Final

ADVERTISEMENT_WORD: Final = {"ru": "Реклама", "*": "Advertisement"}
REGISTRATION_WORD: Final = {"ru": "рег. №", "*": "reg. no."}
