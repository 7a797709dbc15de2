"""The demo as a newcomer sees it: one page in a real browser, the whole product behind it."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
ANNA, OWNER = "#pane-2001", "#pane-1001"
PATIENCE = 15_000
"""Milliseconds."""


@pytest.fixture
def demo() -> Iterator[str]:
    """The address of a running demo, on a port of its own."""
    port = _free_port()
    command = [sys.executable, "-m", "bot", "demo", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        _wait_until_served(address)
        yield address
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_served(address: str) -> None:
    for _ in range(200):
        with suppress(httpx.TransportError):
            if httpx.get(address).status_code == 200:
                return
    raise AssertionError("the demo serves no page")


@pytest.fixture
def chromium() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip("no /usr/bin/chromium (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        yield browser
        browser.close()


def opened(browser: Browser, address: str, width: int, scheme: str) -> Page:
    page = browser.new_page(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    page.goto(address)
    return page


def seen(pane: Locator, text: str) -> Locator:
    """Find messages by a part of their text."""
    return pane.locator(".text", has_text=text)


def press(pane: Locator, label: str) -> None:
    """Press the newest button with these words; an emoji may stand before them."""
    button = pane.get_by_role("button", name=re.compile(rf"^\W*{re.escape(label)}$")).last
    button.click()


def write(pane: Locator, text: str) -> None:
    box = pane.get_by_role("textbox")
    box.fill(text)
    box.press("Enter")


def agree_to_everything(pane: Locator) -> None:
    pane.get_by_role("button", name=re.compile("start|начать", re.IGNORECASE)).first.click()
    for title in ("Обработка персональных данных", "Заказы и доставка", "Акции и скидки"):
        expect(seen(pane, title).first).to_be_visible()
        press(pane, "Соглашаюсь")
    expect(seen(pane, "Спасибо! Вы согласились на:")).to_be_visible()


def broadcast(pane: Locator, text: str) -> None:
    start = pane.get_by_role("button", name=re.compile("start|начать", re.IGNORECASE))
    if start.first.is_visible():
        start.first.click()
        expect(pane.get_by_role("textbox")).to_be_visible()
    write(pane, "/broadcast")
    press(pane, "Offers and discounts")
    expect(seen(pane, "Now send me the message").last).to_be_visible()
    write(pane, text)
    expect(seen(pane, "Preview").last).to_be_visible()
    press(pane, "Send now")
    press(pane, "Yes, send")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_agree_send_arrive_leave_and_the_next_stays_away(
    demo: str, chromium: Browser, scheme: str, tmp_path: Path
) -> None:
    page = opened(chromium, demo, 1440, scheme)
    anna, owner = page.locator(ANNA), page.locator(OWNER)
    agree_to_everything(anna)
    broadcast(owner, "Новый улун со скидкой 20%")
    expect(seen(anna, "Новый улун со скидкой 20%")).to_be_visible()
    page.screenshot(path=tmp_path / f"arrived-{scheme}.png")
    press(anna, "Отписаться")
    expect(seen(anna, "Вы отписаны от «Акции и скидки»")).to_be_visible()
    broadcast(owner, "Второе сообщение")
    expect(seen(owner, "№2").filter(has_text="finished")).to_be_visible()
    expect(seen(anna, "Второе сообщение")).to_have_count(0)
    page.screenshot(path=tmp_path / f"left-{scheme}.png")


def test_the_page_works_on_a_phone(demo: str, chromium: Browser, tmp_path: Path) -> None:
    page = opened(chromium, demo, 390, "light")
    agree_to_everything(page.locator(ANNA))
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.screenshot(path=tmp_path / "phone.png")
