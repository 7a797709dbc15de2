"""A time authority of our own: certificates and answers by `openssl`, over real HTTP."""

import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

CONFIGURATION = Path(__file__).parents[1] / "data/time-authority/openssl.cnf"
HAS_OPENSSL = shutil.which("openssl") is not None
EC = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")
RSA = ("rsa:2048",)
Answer = Callable[["TimeAuthority", Any, bytes], None]
"""What the server does with one request: gets the handler and the query."""


@dataclass(slots=True)
class TimeAuthority:
    """The files of one authority, and what it does when it is asked."""

    folder: Path
    section: str = "whole"
    """Of the configuration: how it answers."""
    url: str = ""
    next_answers: list[Answer] = field(default_factory=list)
    asked: int = 0
    was_read_to_the_end: bool = False
    """Whether somebody took all of `without_end`."""
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    @property
    def root(self) -> bytes:
        return (self.folder / "root.pem").read_bytes()

    def reply(self, query: bytes) -> bytes:
        """Answer a TimeStampReq as an honest authority does."""
        with self._one_at_a_time:
            (self.folder / "query").write_bytes(query)
            arguments = ("-queryfile", "query", "-out", "reply", "-section", self.section)
            self.openssl("ts", "-reply", "-config", str(CONFIGURATION), *arguments)
            return (self.folder / "reply").read_bytes()

    def verifies(self, token: bytes, note: bytes) -> bool:
        """Let `openssl ts -verify` judge a token over a note."""
        (self.folder / "token").write_bytes(token)
        (self.folder / "note").write_bytes(note)
        arguments = ("-token_in", "-data", "note", "-CAfile", "root.pem")
        done = subprocess.run(
            ["openssl", "ts", "-verify", "-in", "token", *arguments],
            cwd=self.folder,
            capture_output=True,
            check=False,
        )
        return done.returncode == 0 and b"Verification: OK" in done.stdout

    def openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, capture_output=True, check=True)


def found(
    folder: Path,
    name: str = "Test",
    kind: tuple[str, ...] = EC,
    use: str = "stamps",
    root: str = "root",
) -> TimeAuthority:
    """Make keys and certificates: a root of the configuration's kind, and a signer for `use`."""
    folder.mkdir(parents=True)
    authority = TimeAuthority(folder)
    authority.openssl(
        *_new_key("root", f"{name} root", kind), "-x509", "-days", "3650", "-extensions", root,
        "-out", "root.pem",
    )  # fmt: skip
    _issue(authority, "root", "signer", f"{name} time", kind, use)
    (folder / "serial").write_text("01\n")
    return authority


def found_below_a_middle(folder: Path) -> TimeAuthority:
    """Make an authority whose answers carry the certificate between, and not the root."""
    authority = found(folder)
    authority.section = "without_its_root"
    _issue(authority, "root", "middle", "Test middle", EC, "middle")
    _issue(authority, "middle", "signer", "Test time", EC, "stamps")
    return authority


def _new_key(file: str, name: str, kind: tuple[str, ...]) -> tuple[str, ...]:
    made = ("req", "-config", str(CONFIGURATION), "-nodes", "-newkey", *kind)
    return (*made, "-subj", f"/CN={name}", "-keyout", f"{file}.key")


def _issue(
    authority: TimeAuthority, issuer: str, file: str, name: str, kind: tuple[str, ...], use: str
) -> None:
    authority.openssl(*_new_key(file, name, kind), "-out", f"{file}.csr")
    authority.openssl(
        "x509", "-req", "-in", f"{file}.csr", "-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key",
        "-CAcreateserial", "-days", "3650", "-extfile", str(CONFIGURATION), "-extensions", use,
        "-out", f"{file}.pem",
    )  # fmt: skip


@contextmanager
def listening(authority: TimeAuthority) -> Iterator[TimeAuthority]:
    """Put it on a port of this machine (RFC 3161 §3.4)."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            authority.asked += 1
            assert self.headers["Content-Type"] == "application/timestamp-query"
            query = self.rfile.read(int(self.headers["Content-Length"]))
            answer = authority.next_answers.pop(0) if authority.next_answers else honestly
            answer(authority, self, query)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    authority.url = f"http://127.0.0.1:{server.server_port}/tsr"
    try:
        yield authority
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def send(handler: Any, body: bytes, kind: str = "application/timestamp-reply") -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


# --- answers ----------------------------------------------------------------------------------


def honestly(authority: TimeAuthority, handler: Any, query: bytes) -> None:
    send(handler, authority.reply(query))


def with_status_500(_: TimeAuthority, handler: Any, __: bytes) -> None:
    handler.send_error(500)


def with_a_redirect(authority: TimeAuthority, handler: Any, _: bytes) -> None:
    handler.send_response(307)
    handler.send_header("Location", authority.url)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def too_late(_: TimeAuthority, handler: Any, __: bytes) -> None:
    time.sleep(1)
    handler.close_connection = True


def with_a_page(_: TimeAuthority, handler: Any, __: bytes) -> None:
    send(handler, b"<html><body>Please log in</body></html>", "text/html")


def with_nothing(_: TimeAuthority, handler: Any, __: bytes) -> None:
    send(handler, b"")


def by_hanging_up(_: TimeAuthority, handler: Any, __: bytes) -> None:
    handler.close_connection = True


def cut_short(authority: TimeAuthority, handler: Any, query: bytes) -> None:
    send(handler, authority.reply(query)[:-40])


def without_end(authority: TimeAuthority, handler: Any, __: bytes) -> None:
    """A body that goes on for as long as somebody reads it, 64 MB at most."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/timestamp-reply")
    handler.end_headers()
    handler.close_connection = True
    try:
        for _piece in range(1024):
            handler.wfile.write(b"0" * 65536)
    except OSError:
        return
    authority.was_read_to_the_end = True


def of_another_note(authority: TimeAuthority, handler: Any, query: bytes) -> None:
    at = query.index(b"\x04\x20") + 2
    send(handler, authority.reply(query[:at] + bytes(32) + query[at + 32 :]))


def of_another_request(authority: TimeAuthority, handler: Any, query: bytes) -> None:
    """The same note under another nonce: an old answer that is played again."""
    at = query.rindex(b"\x01\x01\xff") - 1
    send(handler, authority.reply(query[:at] + bytes([query[at] ^ 1]) + query[at + 1 :]))


def with_a_refusal(authority: TimeAuthority, handler: Any, query: bytes) -> None:
    """A digest that it does not serve: status 2, no token."""
    at = query.index(bytes.fromhex("0609608648016503040201")) + 10
    send(handler, authority.reply(query[:at] + b"\x04" + query[at + 1 :]))


def by(other: TimeAuthority) -> Answer:
    """Let somebody else answer in its place."""
    return lambda _, handler, query: send(handler, other.reply(query))
