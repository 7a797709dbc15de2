"""The verifier page in a real browser: it says what the command says, or that it cannot check."""

import base64
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from page_corpus import (
    POST,
    SENT_LOG,
    Case,
    cases,
    handing_over,
    many_answers,
    pairs,
    rotated,
    small,
)
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright
from small_log import (
    ANNA,
    KEY,
    LOG,
    ORIGIN,
    TEXT,
    THIEF,
    consent,
    files_of,
    head_of,
    notice_facts,
    packed,
    published,
    signed,
)
from test_proof_file import PROOF, proof_of
from test_tampering import CHECKED_AGAINST_ENTRIES, TINY, TINY_ZIP

from bot.proof import bundle, canonical, comparison, note, verifier
from bot.proof.errors import ProofError
from bot.proof.notice import shown_sha256
from bot.proof.page import SOURCE, page

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
MANY = 60
"""Files that are handed to the page in one call."""
VERIFY = """async (files) => {
  const bytes = (text) => Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
  const told = [];
  for (const [data, key] of files) told.push(await assentVerify(bytes(data), key));
  return told;
}"""
TOGETHER = """async (files) => assentVerify(
  files.map((text) => Uint8Array.from(atob(text), (each) => each.charCodeAt(0)))
)"""
Show = Callable[..., Page]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip("no /usr/bin/chromium (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def show(chromium: Browser) -> Iterator[Show]:
    """Open the page as somebody would; whatever it asks the network for is a failure."""
    asked: list[str] = []
    faults: list[str] = []
    contexts = []

    def refuse(route: Route) -> None:
        if not route.request.url.startswith("file:"):
            asked.append(route.request.url)
            route.abort()
        else:
            route.continue_()

    def opened(path: Path = SOURCE, *, script: str = "", **how: Any) -> Page:
        context = chromium.new_context(**{"locale": "en-US", **how})
        contexts.append(context)
        context.route("**/*", refuse)
        if script:
            context.add_init_script(script)
        shown = context.new_page()
        shown.on("pageerror", lambda error: faults.append(str(error)))
        shown.on("console", lambda said: faults.append(said.text))
        shown.on("request", lambda request: asked.append(request.url))
        shown.goto(path.as_uri())
        return shown

    yield opened
    for context in contexts:
        context.close()
    assert faults == []
    assert [url for url in asked if not url.startswith("file:")] == []
    assert len(asked) <= len(contexts), "nothing but the page itself is read"


def by_command(case: Case, folder: Path) -> tuple[str, list[str]]:
    """Return the verdict of the command, and what it found."""
    path = folder / "file"
    path.write_bytes(case.data)
    try:
        report = verifier.verify_file(path, case.key)
    except ProofError as error:
        return "unusable", [str(error)]
    return ("valid" if report.ok else "fails"), report.failures


def by_page(shown: Page, files: Sequence[Case]) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = []
    for start in range(0, len(files), MANY):
        part = [
            [base64.b64encode(each.data).decode(), None if each.key is None else str(each.key)]
            for each in files[start : start + MANY]
        ]
        told += shown.evaluate(VERIFY, part)
    return told


def named(failures: Sequence[str]) -> set[str]:
    """Return the entries that failures name."""
    return {found for each in failures for found in re.findall(r"entr(?:y|ies) (\d+)", each)}


def disagreements(shown: Page, files: dict[str, Case], folder: Path) -> list[str]:
    told = by_page(shown, list(files.values()))
    found = []
    for (name, case), page_says in zip(files.items(), told, strict=True):
        verdict, failures = by_command(case, folder)
        is_same = page_says["verdict"] == verdict
        if not is_same or (verdict == "fails" and named(failures) != named(page_says["failures"])):
            found.append(f"{name}: {verdict} {failures}, {page_says}")
    return found


# --- it agrees with the command ---------------------------------------------------------------


def test_it_agrees_with_the_command_on_every_good_and_every_broken_file(
    show: Show, tmp_path: Path
) -> None:
    files = cases()
    verdicts = [by_command(case, tmp_path)[0] for case in files.values()]
    assert min(verdicts.count(each) for each in ("valid", "fails", "unusable")) > 20
    assert disagreements(show(), files, tmp_path) == []


def changed_at(data: bytes, at: int, change: int) -> bytes:
    return data[:at] + bytes([data[at] ^ change]) + data[at + 1 :]


def test_it_finds_changed_bytes_as_the_command_does(show: Show, tmp_path: Path) -> None:
    files = {}
    for change in (0x01, 0xA0):
        for at in range(change % 7, len(TINY_ZIP), 41):
            files[f"bundle {at} {change}"] = Case(changed_at(TINY_ZIP, at, change))
        for at in range(change % 3, len(PROOF), 9):
            files[f"proof {at} {change}"] = Case(changed_at(PROOF, at, change))
    for name in sorted(TINY):
        for at in range(0, len(TINY[name]), max(1, len(TINY[name]) // 6)):
            changed = {**TINY, name: changed_at(TINY[name], at, 0x01)}
            files[f"{name} {at}"] = Case(packed(changed))
            if name in CHECKED_AGAINST_ENTRIES:
                files[f"{name} {at}, signed"] = Case(packed(signed(changed)))
    shown = show()
    for (name, case), told in zip(files.items(), by_page(shown, list(files.values())), strict=True):
        verdict, failures = by_command(case, tmp_path)
        assert verdict != "valid", name
        assert told["verdict"] == verdict, (name, failures, told)


def test_it_says_of_a_good_file_what_the_command_says(show: Show, tmp_path: Path) -> None:
    [told] = by_page(show(), [Case(small(files_of()), None)])
    path = tmp_path / "bundle.zip"
    path.write_bytes(small(files_of()))
    report = verifier.verify_file(path)
    assert report.key is not None
    assert told == {
        "verdict": "valid",
        "failures": [],
        "remarks": report.remarks,
        "key": str(report.key),
        "fingerprint": report.key.fingerprint,
        "isKeyGiven": False,
        "origin": ORIGIN,
        "size": report.size,
        "opened": report.opened,
    }


OTHER_ANSWER = consent(1, "granted", "dora", TEXT)
OTHER_LOG = (TEXT, OTHER_ANSWER, *(published(number, notice_facts()) for number in range(2, 6)))
TOGETHER_TOLD = (
    ((small(files_of(LOG[:5])), small(files_of())), "valid", ""),
    ((small(files_of()), small(files_of(LOG[:5]))), "valid", ""),
    ((PROOF, small(files_of())), "valid", ""),
    ((head_of(LOG[:3]).encode(), small(files_of())), "valid", ""),
    ((head_of(LOG).encode(), PROOF), "valid", ""),
    (
        (small(files_of((TEXT, OTHER_ANSWER))), small(files_of())),
        "fails",
        "entry 1 of file is another one than in file",
    ),
    ((PROOF, small(files_of((TEXT, OTHER_ANSWER)))), "fails", "has another entry 1"),
    ((PROOF, proof_of(OTHER_ANSWER, OTHER_LOG)), "fails", "two different logs of 6 entries"),
    ((PROOF, b"junk"), "unusable", ""),
)


def test_two_files_are_held_against_each_other(show: Show) -> None:
    shown = show()
    for files, verdict, says in TOGETHER_TOLD:
        told = shown.evaluate(TOGETHER, [base64.b64encode(each).decode() for each in files])
        assert told["verdict"] == verdict, told
        assert says in "\n".join(told["failures"])
        assert bool(told["agreements"]) is (verdict == "valid")


def compared_by_command(files: Sequence[bytes], folder: Path) -> tuple[str, list[str]]:
    paths = [folder / str(at) for at in range(len(files))]
    for path, data in zip(paths, files, strict=True):
        path.write_bytes(data)
    reports = [verifier.verify_file(path) for path in paths]
    assert [report.failures for report in reports] == [[], []]
    found = comparison.compare(reports)
    return ("valid" if found.ok else "fails"), found.failures


def test_it_compares_two_files_as_the_command_does(show: Show, tmp_path: Path) -> None:
    shown, found, verdicts = show(), [], []
    for name, files in pairs().items():
        told = shown.evaluate(TOGETHER, [base64.b64encode(each).decode() for each in files])
        verdict, failures = compared_by_command(files, tmp_path)
        verdicts.append(verdict)
        if told["verdict"] != verdict or named(failures) != named(told["failures"]):
            found.append(f"{name}: {verdict} {failures}, {told}")
    assert found == []
    assert set(verdicts) == {"valid", "fails"}


# --- where it cannot check --------------------------------------------------------------------


@pytest.mark.parametrize(
    "script",
    [
        "Object.defineProperty(Crypto.prototype, 'subtle', { value: undefined })",
        "Object.defineProperty(window, 'isSecureContext', { value: false })",
        "SubtleCrypto.prototype.importKey = async () => { throw new Error('no Ed25519'); }",
        "SubtleCrypto.prototype.verify = async () => true",
        "SubtleCrypto.prototype.verify = async () => false",
        "SubtleCrypto.prototype.digest = async () => new ArrayBuffer(32)",
    ],
)
def test_a_browser_that_cannot_check_says_so(show: Show, script: str) -> None:
    for told in by_page(show(script=script), [Case(PROOF), Case(small(files_of()))]):
        assert told["verdict"] == "unchecked"
        assert told["failures"]


def test_a_check_that_breaks_off_is_never_valid(show: Show) -> None:
    [told] = by_page(show(script="Blob.prototype.slice = () => { throw 1; }"), [Case(PROOF)])
    assert told["verdict"] == "unchecked"


# --- what is seen -----------------------------------------------------------------------------


def given(shown: Page, name: str, data: bytes) -> None:
    file = {"name": name, "mimeType": "application/octet-stream", "buffer": data}
    shown.set_input_files("#picker", [file])  # type: ignore[list-item]
    expect(shown.locator(".verdict")).to_be_visible()


def test_a_persons_page_shows_and_checks_its_own_proof(show: Show, tmp_path: Path) -> None:
    path = tmp_path / "proof.html"
    path.write_bytes(page(PROOF, b'{"@context": "receipt"}'))
    shown = show(path)
    expect(shown.locator(".verdict")).to_have_attribute("data-verdict", "valid")
    expect(shown.locator(".said")).to_contain_text("Telegram account 1001 agreed to “News of tea”")
    expect(shown.locator(".bubble")).to_have_text("News of tea?")
    expect(shown.locator(".chips")).to_contain_text("Decline")
    expect(shown.locator(".notice")).to_have_text("We write to you once a week. Version 1.")
    expect(shown.locator(".fingerprint")).to_have_text(KEY.fingerprint.replace(" ", ""))
    with shown.expect_download() as saved:
        shown.get_by_role("button", name="Save the proof file").click()
    assert Path(saved.value.path()).read_bytes() == PROOF
    assert saved.value.suggested_filename == f"proof-{ANNA.id[:8]}.tlog-proof"
    with shown.expect_download() as saved:
        shown.get_by_role("button", name="Save the receipt").click()
    assert Path(saved.value.path()).read_bytes() == b'{"@context": "receipt"}'


def test_a_persons_page_can_be_dropped_on_another(show: Show, tmp_path: Path) -> None:
    path = tmp_path / "proof.html"
    for proof, verdict in ((PROOF, "valid"), (changed_at(PROOF, 100, 1), "fails")):
        path.write_bytes(page(proof))
        case = Case(path.read_bytes())
        assert by_command(case, tmp_path)[0] == verdict
        shown = show()
        given(shown, "proof.html", case.data)
        expect(shown.locator(".verdict")).to_have_attribute("data-verdict", verdict)


def test_a_page_without_a_proof_has_none(tmp_path: Path) -> None:
    assert page() == SOURCE.read_bytes()
    assert by_command(Case(page()), tmp_path)[0] == "unusable"


def test_a_bundle_is_searched_opened_and_shown(show: Show) -> None:
    shown = show()
    given(shown, "bundle.zip", small(files_of()))
    expect(shown.locator(".verdict")).to_contain_text("Valid")
    expect(shown.locator(".events tbody tr")).to_have_count(3)
    shown.get_by_label("Search").fill("1002")
    expect(shown.locator(".events tbody tr")).to_have_count(1)
    shown.get_by_label("Search").fill("")
    shown.get_by_label("Event").select_option("withdrawn")
    expect(shown.locator(".events tbody tr")).to_have_count(1)
    shown.locator(".row-button").press("Enter")
    expect(shown.locator("tr.detail .bubble")).to_have_text("News of tea?")
    shown.get_by_role("button", name="Русский").click()
    expect(shown.locator(".verdict h2")).to_have_text("Верно")
    expect(shown.locator("html")).to_have_attribute("lang", "ru")


def test_sends_stand_under_their_consent_and_stamps_are_named_as_not_checked(show: Show) -> None:
    stamp = {"authority": "https://tsa.example", "kind": "rfc3161", "size": 2, "token": "AA=="}
    files = files_of(SENT_LOG, checkpoints=(2,))
    lines = [canonical.canonical_bytes(each) + b"\n" for each in (POST, stamp)]
    shown = show()
    given(shown, "bundle.zip", small({**files, bundle.STAMPS: b"".join(lines)}))
    expect(shown.locator(".verdict")).to_have_attribute("data-verdict", "valid")
    expect(shown.get_by_text("not checked here", exact=True)).to_be_visible()
    expect(shown.get_by_text("posted to @tea as message 7")).to_be_visible()
    shown.locator(".row-button").first.click()
    shown.get_by_text("Sent under this consent: 1").click()
    expect(shown.locator("tr.detail table tbody tr")).to_have_count(1)


def test_a_long_list_is_drawn_a_page_at_a_time(show: Show) -> None:
    shown = show()
    given(shown, "bundle.zip", small(files_of((TEXT, *many_answers(300)))))
    expect(shown.locator(".events tbody tr")).to_have_count(50)
    shown.get_by_role("button", name="Next").click()
    expect(shown.get_by_text("51–100 of 299")).to_be_visible()


def test_a_failure_names_the_entry_in_both_languages(show: Show) -> None:
    changed = files_of()
    changed[bundle.CSV] = changed[bundle.CSV].replace(b",refused,", b",granted,")
    shown = show(locale="ru-RU")
    given(shown, "bundle.zip", small(changed))
    expect(shown.locator(".failures")).to_contain_text("запись 2: в consents.csv сказано другое")
    shown.get_by_role("button", name="English").click()
    expect(shown.locator(".failures")).to_contain_text("entry 2: consents.csv tells something else")
    expect(shown.locator("#live")).to_contain_text("Не сходится")


def test_what_is_closed_without_a_reason_is_named_in_both_languages(show: Show) -> None:
    shown = show(locale="ru-RU")
    given(shown, "bundle.zip", small(files_of(LOG[:4])))
    expect(shown.locator(".verdict")).to_have_attribute("data-verdict", "fails")
    expect(shown.locator(".failures")).to_contain_text("запись 3: она закрыта, и ни стирание")
    shown.get_by_role("button", name="English").click()
    expect(shown.locator(".failures")).to_contain_text("entry 3: it is closed, and no erasure")


def test_a_key_can_be_given(show: Show) -> None:
    shown = show()
    given(shown, "proof", PROOF)
    shown.get_by_text("I know the operator's key").click()
    for key, verdict in (
        (str(KEY), "valid"),
        (str(note.verifier_key(ORIGIN, THIEF)), "fails"),
    ):
        shown.get_by_label("Key of the operator").fill(key)
        shown.get_by_role("button", name="Check with this key").click()
        expect(shown.locator(".verdict")).to_have_attribute("data-verdict", verdict)
    shown.get_by_label("Key of the operator").fill("nonsense")
    shown.get_by_role("button", name="Check with this key").click()
    expect(shown.get_by_role("alert")).to_contain_text("not a verifier key")
    expect(shown.locator(".verdict")).to_have_count(0)


HTML = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


def test_what_a_file_says_stays_text(show: Show) -> None:
    facts = notice_facts(
        **dict.fromkeys(("title", "summary", "text", "purpose", "kind", "locale"), HTML),
        controller={"name": HTML, "contact": HTML},
        data=[HTML],
        recipients=[HTML],
    )
    text = published(0, facts)
    shown_facts = {
        "text": HTML,
        "entities": [{"type": "text_link", "offset": 0, "length": 4, "url": HTML}, {"type": HTML}],
        "buttons": [HTML],
    }
    about = dict.fromkeys(("account", "source", "method", "expires", "update_id"), HTML)
    answer = consent(1, "granted", HTML, text, **about).saying(
        shown=shown_facts, shown_sha256=shown_sha256(shown_facts)
    )
    log = (text, answer)
    for name, data in (
        (f"{HTML}.zip", small(files_of(log))),
        ("proof", proof_of(answer, log, notice=facts)),
        ("broken", small(files_of((text, answer.saying(event=HTML))))),
    ):
        shown = show()
        given(shown, name, data)
        for button in shown.locator(".row-button").all():
            button.click()
            expect(shown.locator("tr.detail .bubble")).to_be_visible()
        assert shown.locator("main img, main script:not([id])").count() == 0
        assert "owned" not in shown.title()
        expect(shown.get_by_text("<img src=x").first).to_be_visible()


def test_a_long_notice_is_shown_to_its_end(show: Show) -> None:
    words = "We write to you about tea, and about nothing else. " * 40
    facts = notice_facts(text=f"{words}The end.")
    text = published(0, facts)
    answer = consent(1, "granted", "anna", text)
    shown = show()
    given(shown, "proof", proof_of(answer, (text, answer), notice=facts))
    expect(shown.locator(".notice")).to_contain_text("The end.")


def test_everything_has_a_name_and_can_be_reached(show: Show) -> None:
    shown = show()
    given(shown, "bundle.zip", rotated(handing_over(9)))
    nameless = shown.evaluate(
        """() => [...document.querySelectorAll("button, input:not([hidden]), select, progress")]
          .filter((each) => !(each.labels?.length || each.textContent.trim() || each.ariaLabel))
          .map((each) => each.outerHTML)"""
    )
    assert nameless == []
    reached = set()
    for _ in range(40):
        shown.keyboard.press("Tab")
        reached.add(shown.evaluate("document.activeElement.textContent.trim()"))
    assert {"RU", "EN", "Choose files", "I know the operator's key"} <= reached


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_what_is_behind_them(show: Show, scheme: str) -> None:
    """WCAG 2.1, 1.4.3: 4.5 to 1."""
    shown = show(color_scheme=scheme)
    given(shown, "bundle.zip", small(files_of()))
    assert shown.evaluate(TOO_PALE) == []


TOO_PALE = """() => {
  const light = (rgb) => rgb.map((part) => part / 255)
    .map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const [r, g, b, a = 1] = parse(getComputedStyle(each).backgroundColor);
      if (a > 0) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const pale = [];
  for (const element of document.querySelectorAll("body *")) {
    const text = [...element.childNodes].some((each) => each.nodeType === 3 && each.data.trim());
    if (!text || !element.checkVisibility() || element.disabled) continue;
    if (element.closest("script")) continue;
    const [one, other] = [parse(getComputedStyle(element).color).slice(0, 3), behind(element)]
      .map(light).sort((first, second) => second - first);
    if ((one + 0.05) / (other + 0.05) < 4.5) pale.push(element.outerHTML.slice(0, 90));
  }
  return pale;
}"""


def test_it_fits_a_telephone(show: Show) -> None:
    shown = show(viewport={"width": 360, "height": 740})
    given(shown, "bundle.zip", rotated(handing_over(9)))
    shown.locator(".row-button").first.click()
    expect(shown.locator("tr.detail .bubble")).to_be_visible()
    assert shown.evaluate("document.documentElement.scrollWidth") <= 360


def test_it_prints(show: Show) -> None:
    shown = show()
    given(shown, "proof", PROOF)
    assert shown.pdf(format="A4").startswith(b"%PDF")
    shown.emulate_media(media="print")
    expect(shown.locator("#intake")).to_be_hidden()


def test_the_page_allows_itself_no_network() -> None:
    html = SOURCE.read_text(encoding="utf-8")
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)
    assert policy.startswith(
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
        "img-src data: blob:"
    )
    assert "innerHTML" not in html
    assert "outerHTML" not in html
    assert "insertAdjacent" not in html
    assert len(re.findall('"embedded-proof"', html)) == 1


def test_every_message_is_said_in_both_languages() -> None:
    html = SOURCE.read_text(encoding="utf-8")
    told = dict(
        re.findall(r'^  "([a-z0-9-]+)": \[(.+)\],?$', html.replace("[\n    ", "["), re.MULTILINE)
    )
    used = set(
        re.findall(
            r'(?:Unusable|Contradiction|CannotCheck|OtherFormat|fail|remark|suspect)\("([a-z0-9-]+)"',
            html,
        )
    ) | set(re.findall(r'code: "([a-z0-9-]+)", facts', html))
    english = set(re.findall(r'^  "([a-z0-9-]+)": \[', html, re.MULTILINE))
    assert used == english
    for name, texts in told.items():
        assert re.search("[а-я]", texts), name
