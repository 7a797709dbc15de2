"""Go's checksum database reads our checkpoints and proofs with its own library, and says the same.

Of a checkpoint it knows the two lines below the first one: its own logs have another first line.
"""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from small_log import KEY, LOG, ORIGIN, SEED, THIEF, files_of, head_of, unpacked
from tea_shop import AT, DAY, HOUR, OFFERS, new_shop

from bot.proof import checkpoint, merkle, note
from bot.proof.checkpoint import Checkpoint
from bot.proof.merkle import Node
from bot.usecases.exports import Format, Selection

SOURCE = Path(__file__).with_name("go")
LIBRARIES = Path("/usr/share/gocode")
"""Where Debian's golang-golang-x-mod-dev puts them; no module is fetched."""
Go = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def go(tmp_path_factory: pytest.TempPathFactory) -> Go:
    """The foreign verifier, built once."""
    compiler = shutil.which("go")
    if compiler is None or not (LIBRARIES / "src/golang.org/x/mod/sumdb/note").is_dir():
        pytest.skip(
            "no Go with golang.org/x/mod: apt-get install golang-go golang-golang-x-mod-dev"
        )
    folder = tmp_path_factory.mktemp("go")
    program = folder / "check"
    subprocess.run(
        [compiler, "build", "-o", str(program), "."],
        cwd=SOURCE,
        check=True,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "GO111MODULE": "off",
            "GOPATH": str(LIBRARIES),
            "GOCACHE": str(folder / "cache"),
        },
    )

    def run(*arguments: str | Path, facts: Any = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, *arguments],
            input=None if facts is None else json.dumps(facts),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run


def base64_of(value: bytes) -> str:
    return base64.b64encode(value).decode()


@dataclass(frozen=True)
class Tree:
    """A log of made-up entries, with what proves each of them."""

    leaves: Sequence[bytes]

    @classmethod
    def of(cls, size: int) -> "Tree":
        return cls([merkle.leaf_hash(f"entry {number}".encode()) for number in range(size)])

    def node(self, node: Node) -> bytes:
        start = node.index << node.level
        return merkle.root(self.leaves[start : start + (1 << node.level)])

    def signed(self, size: int, seed: bytes = SEED) -> str:
        root = merkle.root(self.leaves[:size])
        return checkpoint.sign(Checkpoint(origin=ORIGIN, size=size, root=root), seed)

    def inclusion(self, at: int) -> dict[str, Any]:
        path = merkle.prove(merkle.inclusion_ranges(at, len(self.leaves)), self.node)
        return {"Leaf": base64_of(self.leaves[at]), "At": at, "Path": [*map(base64_of, path)]}

    def consistency(self, old: int) -> dict[str, Any]:
        path = merkle.prove(merkle.consistency_ranges(old, len(self.leaves)), self.node)
        return {"Note": self.signed(old), "Path": [*map(base64_of, path)]}

    def facts(self, *steps: dict[str, Any], seed: bytes = SEED) -> dict[str, Any]:
        note_text = self.signed(len(self.leaves), seed)
        return {"Key": str(KEY), "Note": note_text, "Steps": steps}


# --- what we compute holds there --------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 8, 9, 16, 31, 33, 100])
def test_every_inclusion_and_every_consistency_holds_in_go(size: int, go: Go) -> None:
    tree = Tree.of(size)
    inclusions = [tree.inclusion(at) for at in range(size)]
    consistencies = [tree.consistency(old) for old in range(1, size + 1)]

    done = go("paths", facts=tree.facts(*inclusions, *consistencies))

    assert done.stdout == f"holds: {2 * size}\n", done.stdout + done.stderr
    assert done.returncode == 0


def test_every_changed_step_is_refused_by_go(go: Go) -> None:
    tree = Tree.of(9)
    good = [tree.inclusion(5), tree.consistency(5)]
    other = base64_of(b"o" * 32)
    wrong: list[dict[str, Any]] = [{**good[0], "At": 4}, {**good[0], "Leaf": other}]
    wrong.append({**good[1], "Note": Tree.of(6).signed(6)})
    for step in good:
        path = step["Path"]
        wrong += [{**step, "Path": path[:-1]}, {**step, "Path": [*path, other]}]
        wrong += [{**step, "Path": [*path[:at], other, *path[at + 1 :]]} for at in range(len(path))]

    done = go("paths", facts=tree.facts(*good, *wrong))

    refused = [f"step {number} does not hold:" for number in range(2, len(good) + len(wrong))]
    assert [line.split(": ")[0] + ":" for line in done.stdout.splitlines()] == refused
    assert done.returncode == 1


def test_a_checkpoint_of_another_key_is_refused_by_go(go: Go) -> None:
    done = go("paths", facts=Tree.of(3).facts(seed=THIEF))
    assert done.returncode == 1
    assert "note has no verifiable signatures" in done.stderr


@pytest.mark.parametrize("line", range(5))
def test_a_changed_line_of_a_checkpoint_is_refused_by_go(line: int, go: Go) -> None:
    facts = Tree.of(3).facts()
    lines = facts["Note"].split("\n")
    at = len(lines[line]) // 2
    lines[line] = lines[line][:at] + "x" + lines[line][at + 1 :]
    done = go("paths", facts={**facts, "Note": "\n".join(lines)})
    assert done.returncode == 1, done.stdout


def test_the_key_of_go_signs_like_ours(go: Go) -> None:
    """A key whose hash does not fit is none for either."""
    name, _, rest = str(KEY).partition("+")
    done = go("paths", facts={**Tree.of(1).facts(), "Key": f"{name}x+{rest}"})
    assert done.returncode == 1
    assert "invalid verifier hash" in done.stderr
    with pytest.raises(note.UnusableFile):
        note.parse_key(f"{name}x+{rest}")


# --- bundles and proof files ------------------------------------------------------------------


def put(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def test_a_bundle_and_its_older_checkpoints_hold_in_go(go: Go, tmp_path: Path) -> None:
    folder = put(tmp_path / "bundle", files_of())
    older = [tmp_path / f"{size}.note" for size in range(1, len(LOG) + 1)]
    for size, path in enumerate(older, 1):
        path.write_text(head_of(LOG[:size], SEED))
    done = go("bundle", folder, *older)
    assert done.stdout.startswith(f"holds: {len(LOG)} "), done.stderr


FORGERIES: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "changed": lambda lines: [*lines[:2], lines[2].replace(b"2026", b"2025"), *lines[3:]],
    "removed": lambda lines: [*lines[:2], *lines[3:]],
    "exchanged": lambda lines: [lines[1], lines[0], *lines[2:]],
    "doubled": lambda lines: [*lines, lines[-1]],
    "cut off": lambda lines: lines[:-1],
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_entries_that_were_tampered_with_are_refused_by_go(
    forgery: str, go: Go, tmp_path: Path
) -> None:
    files = files_of()
    lines = FORGERIES[forgery](files["entries.jsonl"].splitlines(keepends=True))
    done = go("bundle", put(tmp_path, {**files, "entries.jsonl": b"".join(lines)}))
    assert done.returncode == 1
    assert done.stderr.startswith("entries: ")


def test_a_fork_is_refused_by_go(go: Go, tmp_path: Path) -> None:
    folder = put(tmp_path / "bundle", files_of())
    fork = [*LOG[:2], LOG[2].saying(account="1003")]
    (tmp_path / "kept.note").write_text(head_of(fork, SEED))
    done = go("bundle", folder, tmp_path / "kept.note")
    assert done.returncode == 1
    assert "invalid transparency proof" in done.stderr


async def test_what_the_shop_hands_out_holds_in_go(go: Go, tmp_path: Path) -> None:
    async with new_shop(tmp_path / "shop") as shop:
        await shop.agree_all(await shop.meet(account="1"))
        _, older = await shop.core.signer.sign(AT)
        (tmp_path / "kept.note").write_text(older)
        anna = await shop.meet(account="2")
        await shop.agree_all(anna, AT + HOUR)
        await shop.core.exports.write(tmp_path / "bundle.zip", Format.BUNDLE, Selection(), AT + DAY)
        [event] = [e for e in await shop.records.events(anna) if e.purpose_id == OFFERS]
        proof = await shop.proof(anna, event.entry_id, AT + DAY)
    assert proof is not None
    (tmp_path / "anna.tlog-proof").write_bytes(proof)

    bundle = put(tmp_path / "bundle", unpacked((tmp_path / "bundle.zip").read_bytes()))
    done = go("bundle", bundle, tmp_path / "kept.note")
    assert done.stdout.startswith("holds: "), done.stderr
    done = go("proof", tmp_path / "anna.tlog-proof", str(shop.core.signer.key))
    assert done.stdout.startswith(f"holds: {event.index} "), done.stderr

    assert go("proof", tmp_path / "anna.tlog-proof", str(KEY)).returncode == 1
    (tmp_path / "moved.tlog-proof").write_bytes(
        proof.replace(b"\nindex %d\n" % event.index, b"\nindex %d\n" % (event.index - 1))
    )
    done = go("proof", tmp_path / "moved.tlog-proof")
    assert done.stderr.startswith("path: "), done.stdout
