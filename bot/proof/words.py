"""The words in a bundle or a proof: what it proves, and what it does not."""

from typing import Final

ONE_PROVEN: Final = (
    "This entry is in the log of which the checkpoint was signed, at this place.",
    "The payload is exactly what the entry committed to when it was written.",
    "The text that it names, and what was shown where something was, are so to the letter.",
)
"""What a single proof shows; of the rest of the log it shows nothing."""
PROVEN: Final = (
    (
        "Every entry of the log up to the checkpoint is here, in its order; none was added, "
        "changed or removed after the checkpoint was signed."
    ),
    "Each opened payload is exactly what its entry committed to when it was written.",
    "The text that a person agreed to is the one that is named, to the letter.",
    (
        "The listed deliveries are those that were sealed when their campaign ended; each opened "
        "send names the consent that it rested on."
    ),
)
CLOCKS: Final = (
    "the operator's: times of entries, of prompts (prompt_date) and of deliveries",
    "Telegram's, as the operator wrote it down: message_date",
)
"""Whose word a time is, where no authority and no witness vouches for one."""
_NEVER_PROVEN: Final = (
    "Who sat behind the account.",
    "That the person understood the text.",
    (
        "That the operator's clock was right: only a time stamp of an authority, or a public post "
        "of a checkpoint, bounds a time without the operator's word."
    ),
    "That the signing key is the operator's: compare its fingerprint by another way.",
)
ONE_NOT_PROVEN: Final = (
    *_NEVER_PROVEN,
    "What came before and after: a later withdrawal is an entry of its own.",
)
NOT_PROVEN: Final = (
    *_NEVER_PROVEN,
    (
        "Whose the closed entries and deliveries are: those of erased people and those that were "
        "not selected look alike."
    ),
    "That nothing was sent past the program: only what it sent by itself is in the log.",
    "That a message was read, or that Telegram showed it.",
)
README: Final = (
    "This bundle is the consent log of the operator named in checkpoint.note.\n\n"
    "To check it:   python -m bot verify FILE, or open verifier.html in a browser and drop FILE\n"
    "               on it (take verifier.html from somebody you trust, not from the operator)\n"
    "To look at it: summary.html, consents.csv (names of columns in its first line)\n\n"
    "What it proves\n"
    + "".join(f"- {line}\n" for line in PROVEN)
    + "\nWhat it does not prove\n"
    + "".join(f"- {line}\n" for line in NOT_PROVEN)
    + "\nWhose clock a time is of\n"
    + "".join(f"- {line}\n" for line in CLOCKS)
    + "- a time authority's (RFC 3161), in stamps.jsonl: what it stamped existed before its time\n"
    "- a witness's, in stamps.jsonl: the checkpoint was posted in public; look it up there\n"
    "\nFiles\n"
    "- entries.jsonl: the hashed entries, one a line, from 0 on (RFC 8785)\n"
    "- leaves.bin: their leaf hashes as the tree has them, 32 bytes each (RFC 6962)\n"
    "- payloads.jsonl: salt and payload of the opened ones; commit = HMAC-SHA256(salt,\n"
    '  "assent/commit/v1" NUL payload in RFC 8785)\n'
    "- notices.jsonl: every published text with the entry that published it\n"
    "- deliveries.jsonl: what each occurrence.sealed entry sealed; leaf = RFC 6962 leaf hash of\n"
    '  HMAC-SHA256(salt, "assent/delivery/v1" NUL payload in RFC 8785)\n'
    "- checkpoint.note: size and root of the tree (RFC 6962), signed (C2SP tlog-checkpoint)\n"
    "- checkpoints.jsonl: earlier checkpoints of the same log\n"
    "- stamps.jsonl: who else saw a checkpoint, and when\n"
    "- public-key.txt: the key, as name+hash+key (C2SP signed-note)\n"
    "- manifest.json, manifest.note: size and SHA-256 of every other file, signed\n"
    "- consents.csv, consents.jsonl: the opened events as tables; each line is checked against\n"
    "  its entry, and that none is missing\n"
    "- summary.html, verifier.html: for reading and for checking; they are signed, but prove\n"
    "  nothing\n"
)
