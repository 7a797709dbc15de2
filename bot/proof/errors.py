"""What is wrong with a file that was meant to prove something."""


class ProofError(Exception):
    """Something that cannot be accepted as a proof; `str` says what and where."""


class UnusableFile(ProofError):
    """Not a bundle or a proof at all, cut short, or larger than is reasonable."""


class OtherFormat(UnusableFile):
    """Signed and whole, but written in a form that this program does not know."""


class Contradiction(ProofError):
    """A well-formed thing that does not prove what it says."""
