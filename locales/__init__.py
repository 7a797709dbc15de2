"""The interface's words in every served language (gettext); notices are content, not words.

Catalogues are compiled in memory at start, so that a stale or missing build cannot be shipped.
"""

import io
from gettext import GNUTranslations
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

FOLDER = Path(__file__).parent
DOMAIN = "assent"
LOCALES = ("ru", "en")


def translations() -> dict[str, GNUTranslations]:
    """Compile every catalogue."""
    return {locale: _compiled(locale) for locale in LOCALES}


def catalogue_file(locale: str) -> Path:
    return FOLDER / locale / "LC_MESSAGES" / f"{DOMAIN}.po"


def _compiled(locale: str) -> GNUTranslations:
    with catalogue_file(locale).open("rb") as file:
        catalogue = read_po(file, locale=locale, domain=DOMAIN)
    binary = io.BytesIO()
    write_mo(binary, catalogue)
    binary.seek(0)
    return GNUTranslations(binary)
