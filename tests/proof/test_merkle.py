"""The tree agrees with RFC 6962's vectors, with its own definition, and with no broken proof."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.proof import merkle
from bot.proof.errors import Contradiction
from bot.proof.merkle import Node

VECTORS = Path(__file__).parents[1] / "data/vectors/rfc6962-merkle"


def cases(name: str) -> list[Any]:
    found = json.loads((VECTORS / name).read_text())["cases"]
    return [pytest.param(case, id=case["file"]) for case in found]


def raw(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def hashes(texts: list[str] | None) -> list[bytes]:
    return [raw(text) for text in texts or []]


@pytest.mark.parametrize("case", cases("inclusion.json"))
def test_inclusion_agrees_with_the_published_vectors(case: dict[str, Any]) -> None:
    arguments = (
        case["leafIdx"],
        case["treeSize"],
        raw(case["leafHash"]),
        hashes(case["proof"]),
        raw(case["root"]),
    )
    if case["wantErr"]:
        with pytest.raises(Contradiction):
            merkle.verify_inclusion(*arguments)
    else:
        merkle.verify_inclusion(*arguments)


@pytest.mark.parametrize("case", cases("consistency.json"))
def test_consistency_agrees_with_the_published_vectors(case: dict[str, Any]) -> None:
    arguments = (
        case["size1"],
        case["size2"],
        raw(case["root1"]),
        raw(case["root2"]),
        hashes(case["proof"]),
    )
    if case["wantErr"]:
        with pytest.raises(Contradiction):
            merkle.verify_consistency(*arguments)
    else:
        merkle.verify_consistency(*arguments)


def test_roots_agree_with_the_published_ones() -> None:
    facts = json.loads((VECTORS / "roots.json").read_text())
    leaves = [merkle.leaf_hash(bytes.fromhex(text)) for text in facts["leaf_inputs_hex"]]
    found = [merkle.root(leaves[:size]).hex() for size in range(len(leaves) + 1)]
    assert found == facts["root_hash_hex_by_tree_size"]


def test_every_complete_subtree_agrees_with_the_published_ones() -> None:
    facts = json.loads((VECTORS / "roots.json").read_text())
    nodes: dict[Node, bytes] = {}
    for index, text in enumerate(facts["leaf_inputs_hex"]):
        leaf = merkle.leaf_hash(bytes.fromhex(text))
        nodes.update(merkle.append(index, leaf, nodes.__getitem__))
    published = {
        Node(level, index): bytes.fromhex(value)
        for level, values in enumerate(facts["node_hash_hex_by_level"])
        for index, value in enumerate(values)
    }
    assert nodes == published


def grown(size: int) -> dict[Node, bytes]:
    nodes: dict[Node, bytes] = {}
    for index in range(size):
        leaf = merkle.leaf_hash(str(index).encode())
        needed = merkle.siblings_of_append(index)
        assert set(needed) <= nodes.keys()
        nodes.update(merkle.append(index, leaf, nodes.__getitem__))
    return nodes


def naive_root(leaves: list[bytes]) -> bytes:
    if len(leaves) <= 1:
        return leaves[0] if leaves else merkle.EMPTY_ROOT
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return merkle.node_hash(naive_root(leaves[:split]), naive_root(leaves[split:]))


def root_of(nodes: dict[Node, bytes], size: int) -> bytes:
    return merkle.fold([nodes[node] for node in merkle.root_nodes(size)])


@given(size=st.integers(min_value=0, max_value=130))
def test_stored_subtrees_give_the_root_of_the_definition(size: int) -> None:
    leaves = [merkle.leaf_hash(str(index).encode()) for index in range(size)]
    assert root_of(grown(size), size) == naive_root(leaves) == merkle.root(leaves)


@given(data=st.data(), size=st.integers(min_value=1, max_value=130))
def test_every_entry_can_be_proven_from_stored_subtrees(data: st.DataObject, size: int) -> None:
    nodes = grown(size)
    index = data.draw(st.integers(min_value=0, max_value=size - 1))
    path = merkle.prove(merkle.inclusion_ranges(index, size), nodes.__getitem__)
    leaf, root = nodes[Node(0, index)], root_of(nodes, size)
    merkle.verify_inclusion(index, size, leaf, path, root)
    other = (
        data.draw(st.integers(min_value=0, max_value=size - 1).filter(lambda n: n != index))
        if size > 1
        else None
    )
    if other is not None:
        with pytest.raises(Contradiction):
            merkle.verify_inclusion(other, size, leaf, path, root)


@given(data=st.data(), new=st.integers(min_value=1, max_value=130))
def test_every_earlier_tree_is_proven_to_be_the_beginning(data: st.DataObject, new: int) -> None:
    nodes = grown(new)
    old = data.draw(st.integers(min_value=1, max_value=new))
    path = merkle.prove(merkle.consistency_ranges(old, new), nodes.__getitem__)
    merkle.verify_consistency(old, new, root_of(nodes, old), root_of(nodes, new), path)
    forked = merkle.leaf_hash(b"a forked log")
    with pytest.raises(Contradiction):
        merkle.verify_consistency(old, new, forked, root_of(nodes, new), path)


def test_a_proof_out_of_ten_million_reads_few_rows() -> None:
    ranges = merkle.inclusion_ranges(7_654_321, 10_000_000)
    assert len(merkle.nodes_of(ranges)) < 50
