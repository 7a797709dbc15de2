"""There is one archive of the same files; a reader takes that one and no other."""

import io
import itertools
import os
import struct
import tempfile
import tracemalloc
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.proof import archive
from bot.proof.archive import Member
from bot.proof.errors import Contradiction, ProofError, UnusableFile

FILES = {"a.txt": b"one\ntwo\n", "b.txt": b"", "ц.txt": b"three\n"}
GIBIBYTE = 1 << 30
COUNT_AT, LENGTH_AT, START_AT = -14, -10, -6
"""Where the end record has number of files, length and place of the directory (APPNOTE 4.3.16)."""
DATE = (1980, 1, 1, 0, 0, 0)


def written(files: dict[str, bytes]) -> bytes:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = {}
        for number, (member, data) in enumerate(files.items()):
            sources[member] = folder / f"source{number}"
            sources[member].write_bytes(data)
        archive.write(folder / "out.zip", sources)
        return (folder / "out.zip").read_bytes()


def assembled(members: list[tuple[str, bytes]], gaps: dict[int, bytes] | None = None) -> bytes:
    """Put files together as they come, in the very form of the archive; gaps before some."""
    pieces, found, at = [], [], 0
    for number, (name, data) in enumerate(members):
        gap = (gaps or {}).get(number, b"")
        at += len(gap)
        member = Member(name=name, crc=zlib.crc32(data), size=len(data), header_at=at)
        pieces += [gap, member.local_header(), data]
        found.append(member)
        at = member.content_at + member.size
    return b"".join([*pieces, archive._directory(found, at)])


def read_whole(data: bytes) -> dict[str, bytes]:
    file = io.BytesIO(data)
    return {member.name: b"".join(archive.content(file, member)) for member in archive.read(file)}


ZIP = written(FILES)


def test_the_same_files_make_the_same_bytes() -> None:
    assert written(dict(reversed(FILES.items()))) == ZIP == assembled(sorted(FILES.items()))


def test_any_zip_program_reads_it() -> None:
    with zipfile.ZipFile(io.BytesIO(ZIP)) as opened:
        assert opened.testzip() is None
        assert {name: opened.read(name) for name in opened.namelist()} == FILES
        for info in opened.infolist():
            assert (info.compress_type, info.date_time) == (zipfile.ZIP_STORED, DATE)
            assert info.external_attr >> 16 == 0o100644


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9),
        st.binary(max_size=40),
        min_size=1,
        max_size=archive.MAX_MEMBERS,
    )
)
def test_what_is_written_is_read_back(files: dict[str, bytes]) -> None:
    assert read_whole(assembled(sorted(files.items()))) == files


def test_a_cut_archive_is_refused_wherever_it_ends() -> None:
    for end in range(len(ZIP)):
        with pytest.raises(UnusableFile):
            archive.read(io.BytesIO(ZIP[:end]))


def test_every_changed_byte_is_refused() -> None:
    for at, change in itertools.product(range(len(ZIP)), (0x01, 0x20, 0x80, 0xFF)):
        changed = bytearray(ZIP)
        changed[at] ^= change
        with pytest.raises(ProofError):
            read_whole(bytes(changed))


@pytest.mark.parametrize(
    "other",
    [
        ZIP + b"\0",
        b"\0" + ZIP,
        ZIP + ZIP,
        assembled(sorted(FILES.items()), gaps={0: b"\0"}),
        assembled(sorted(FILES.items()), gaps={2: b"\0"}),
        assembled(sorted(FILES.items(), reverse=True)),
        assembled([("a.txt", b"one"), ("a.txt", b"two")]),
        assembled([]),
        assembled([(f"{number:03}", b"") for number in range(archive.MAX_MEMBERS + 1)]),
    ],
    ids=[
        "bytes behind it",
        "bytes before it",
        "twice",
        "a gap before the first file",
        "a gap before the last file",
        "not sorted",
        "a name twice",
        "no files",
        "too many files",
    ],
)
def test_another_structure_is_refused(other: bytes) -> None:
    with pytest.raises(UnusableFile):
        archive.read(io.BytesIO(other))


def zipped(comment: bytes = b"", **facts: Any) -> bytes:
    """Let Python's zipfile write what differs from our form in the given facts only."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as opened:
        info = zipfile.ZipInfo("ц.txt", DATE)
        info.create_system, info.external_attr = 3, 0o100644 << 16
        for name, value in facts.items():
            setattr(info, name, value)
        opened.writestr(info, b"x" * 100)
        opened.comment = comment
    return target.getvalue()


def test_zipfile_can_write_our_form() -> None:
    # Or the refusals below would say nothing.
    assert read_whole(zipped()) == {"ц.txt": b"x" * 100}


@pytest.mark.parametrize(
    "facts",
    [
        {"compress_type": zipfile.ZIP_DEFLATED},
        {"extra": struct.pack("<2H4s", 0x7075, 4, b"name")},
        {"comment": b"c"},
        {"date_time": (1980, 1, 2, 0, 0, 0)},
        {"date_time": (1980, 1, 1, 0, 0, 2)},
        {"external_attr": 0o100755 << 16},
        {"create_system": 0},
        {"internal_attr": 1},
    ],
    ids=repr,
)
def test_another_description_of_a_file_is_refused(facts: dict[str, Any]) -> None:
    comment = facts.pop("comment", b"")
    with pytest.raises(UnusableFile):
        archive.read(io.BytesIO(zipped(comment, **facts)))


def test_a_name_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(UnusableFile, match="UTF-8"):
        archive.read(io.BytesIO(ZIP.replace("ц".encode(), b"\xff\xfe")))


# --- sizes that lie ---------------------------------------------------------------------------


def patched(at: int, form: str, value: int, data: bytes = ZIP) -> bytes:
    changed = bytearray(data)
    struct.pack_into(form, changed, at % len(data), value)
    return bytes(changed)


@pytest.mark.parametrize("count", [0, 2, 4, archive.MAX_MEMBERS + 1, 0xFFFF])
def test_a_false_number_of_files_is_refused(count: int) -> None:
    both = patched(COUNT_AT + 2, "<H", count, patched(COUNT_AT, "<H", count))
    with pytest.raises(UnusableFile):
        archive.read(io.BytesIO(both))


@pytest.mark.parametrize("value", [0, 1, 0x7FFFFFFF, 0xFFFFFFFF])
@pytest.mark.parametrize("at", [LENGTH_AT, START_AT])
def test_a_false_place_of_the_directory_is_refused(at: int, value: int) -> None:
    with pytest.raises(UnusableFile):
        archive.read(io.BytesIO(patched(at, "<L", value)))


@pytest.mark.parametrize("value", [1, 0x7FFFFFFF, 0xFFFFFFFF])
@pytest.mark.parametrize("field", [20, 24, 42], ids=["compressed", "size", "place"])
def test_a_false_size_or_place_of_a_file_is_refused(field: int, value: int) -> None:
    last = ZIP.rindex(b"PK\1\2")
    with pytest.raises(UnusableFile):
        archive.read(io.BytesIO(patched(last + field, "<L", value)))


def test_a_file_at_the_end_of_what_a_zip_can_address_is_refused() -> None:
    last = ZIP.rindex(b"PK\1\2")
    both = patched(last + 24, "<L", 0xFFFFFFFF, patched(last + 42, "<L", 0xFFFFFFFF))
    with pytest.raises(UnusableFile):
        archive.read(io.BytesIO(both))


@pytest.fixture
def hollow(tmp_path: Path) -> Path:
    """A file of a GiB that takes no room."""
    path = tmp_path / "hollow"
    path.touch()
    os.truncate(path, GIBIBYTE)
    return path


def test_a_directory_of_a_gibibyte_is_refused_unread(hollow: Path) -> None:
    with hollow.open("r+b") as file:
        file.seek(0, 2)
        file.write(archive.END.pack(b"PK\5\6", 0, 0, 1, 1, GIBIBYTE, 0, 0))
        tracemalloc.start()
        with pytest.raises(UnusableFile):
            archive.read(file)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < archive.CHUNK


def test_a_line_without_end_is_refused_before_it_fills_the_memory(hollow: Path) -> None:
    member = Member(name="a", crc=0, size=GIBIBYTE - 100, header_at=0)
    with hollow.open("rb") as file:
        tracemalloc.start()
        with pytest.raises(UnusableFile, match="longer than 1000"):
            list(archive.lines(file, member, 1000))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 8 * archive.CHUNK


# --- content ----------------------------------------------------------------------------------


def test_changed_content_is_told_apart_from_a_broken_archive() -> None:
    changed = ZIP.replace(b"one", b"onE")
    members = archive.read(io.BytesIO(changed))
    with pytest.raises(Contradiction, match=r"a\.txt was changed"):
        list(archive.content(io.BytesIO(changed), members[0]))


@given(st.lists(st.binary(max_size=9).filter(lambda line: b"\n" not in line)))
def test_lines_are_the_lines_of_the_content(lines: list[bytes]) -> None:
    file = io.BytesIO(assembled([("a", b"".join(line + b"\n" for line in lines))]))
    [member] = archive.read(file)
    assert list(archive.lines(file, member, limit=9)) == lines


@pytest.mark.parametrize("long", [b"1234567890", b"1234567890\n", b"1\n1234567890\n2\n"])
def test_a_line_over_the_limit_is_refused(long: bytes) -> None:
    file = io.BytesIO(assembled([("a", long)]))
    [member] = archive.read(file)
    with pytest.raises(UnusableFile):
        list(archive.lines(file, member, limit=9))


def test_a_last_line_without_its_end_is_refused() -> None:
    file = io.BytesIO(assembled([("a", b"one\ntwo")]))
    [member] = archive.read(file)
    with pytest.raises(UnusableFile, match="line end"):
        list(archive.lines(file, member, limit=9))


# --- whatever comes ---------------------------------------------------------------------------


@given(st.binary(max_size=300))
def test_no_bytes_do_more_than_fail_clearly(data: bytes) -> None:
    for tried in (data, ZIP[: len(data)] + data, data + ZIP[-len(data) :]):
        if tried != ZIP:
            with pytest.raises(ProofError):
                read_whole(tried)


@given(at=st.integers(0, len(ZIP)), gone=st.integers(0, 12), instead=st.binary(max_size=12))
def test_a_damaged_archive_never_does_more_than_fail_clearly(
    at: int, gone: int, instead: bytes
) -> None:
    damaged = ZIP[:at] + instead + ZIP[at + gone :]
    if damaged != ZIP:
        with pytest.raises(ProofError):
            read_whole(damaged)
