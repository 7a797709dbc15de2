"""One tree of errors: a sentence for the person, a detail for the operator.

Neither carries personal data. `message_key` is marked for the catalogues with `phrase` and is
translated at the edge (handlers, web); `detail` goes to the log and the command line.
"""

from typing import ClassVar


def phrase(text: str) -> str:
    """Mark `text` for the catalogues (`pybabel extract -k phrase`) and return it unchanged."""
    return text


class AssentError(Exception):
    """Whatever Assent refuses or cannot do."""

    message_key: ClassVar[str] = phrase(
        "Something went wrong on our side. Nothing was lost; please try again later."
    )

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or type(self).__name__)
        self.detail = detail


class ConfigurationError(AssentError):
    """The program cannot start as it is configured. `faults` has one line for each cause."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults
