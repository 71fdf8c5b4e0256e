"""/docs in a real browser: somebody signs in at this desk and tries operations out, as the page offers it.

Debian's Chromium, driven by its own chromedriver; nothing is downloaded. Without them the test is skipped, and the last
lines of the run say so.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from tests.chromium import FLAGS
from tests.houses import ZHAO, Serving

pytestmark = pytest.mark.web

SECONDS = 30
PASTE = """
Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set.call(arguments[0], arguments[1]);
arguments[0].dispatchEvent(new Event("input", {bubbles: true}));
"""
READS: dict[str, dict[str, str]] = {
    "Sessions-me": {},
    "Shifts-shifts": {"limit": "5"},
    "Leading-supervisions": {},
    "Duty-duty_verdict": {"work": "10.3", "officers_present": "2"},
    "Oversight-findings": {},
}


@pytest.fixture
def chromium(tmp_path: Path) -> Iterator[Chrome]:
    """A browser with a new profile and a record of its console."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip("no Chromium here (apt-get install chromium chromium-driver): nobody tried /docs in a browser")
    options = ChromeOptions()
    options.binary_location = browser
    for flag in (*FLAGS, "--window-size=1400,2000", f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    window = Chrome(options=options, service=ChromeService(executable_path=driver))
    yield window
    window.quit()


class Page:
    """The documentation, as somebody at a desk uses it."""

    def __init__(self, chromium: Chrome, url: str) -> None:
        self.chromium, self.wait = chromium, WebDriverWait(chromium, SECONDS)
        chromium.get(f"{url}/docs")

    def find(self, selector: str) -> WebElement:
        """The element, once it is there."""
        return self.wait.until(lambda chromium: chromium.find_element(By.CSS_SELECTOR, selector))

    def click(self, selector: str) -> None:
        element = self.find(selector)
        self.chromium.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        self.wait.until(lambda _: element.is_enabled() and element.is_displayed())
        self.chromium.execute_script("arguments[0].click()", element)

    def try_out(self, operation: str, body: Any = None, **parameters: str) -> tuple[int, Any]:
        """Open an operation, fill it in, execute it: status and body of the answer that the page shows."""
        block = f"#operations-{operation}"
        self.click(f"{block} .opblock-summary-control")
        self.click(f"{block} .try-out__btn")
        for name, text in parameters.items():
            self.find(f'{block} tr[data-param-name="{name}"] input').send_keys(text)
        if body is not None:
            self.chromium.execute_script(PASTE, self.find(f"{block} textarea.body-param__text"), json.dumps(body))
        self.click(f"{block} button.execute")
        status = self.find(f"{block} .live-responses-table .response .response-col_status").text
        answer = self.find(f"{block} .live-responses-table .response .highlight-code code").get_attribute("textContent")
        return int(status.split()[0]), json.loads(answer or "null")


def test_whoever_signs_in_at_a_desk_tries_operations_out(
    running: Serving, passwords: dict[str, str], chromium: Chrome
) -> None:
    """Five reads answer 200 to a desk session, which has no DPoP header; the console has nothing to say."""
    page = Page(chromium, running.url)
    me = {"sent_at": "2026-03-01T08:00:01+08:00", "badge": ZHAO, "password": passwords[ZHAO]}
    status, opened = page.try_out("Desk-desk_open", me)
    assert (201, ZHAO) == (status, opened["person"]["badge"])
    answers = {name: page.try_out(name, **parameters) for name, parameters in READS.items()}
    assert dict.fromkeys(READS, 200) == {name: status for name, (status, _) in answers.items()}, answers
    assert ZHAO == answers["Sessions-me"][1]["badge"]
    assert "10.3" == answers["Duty-duty_verdict"][1]["work"]
    assert [] == chromium.get_log("browser")
    password = {"sent_at": me["sent_at"], "current": "not this one", "new": "and not another one"}
    status, problem = page.try_out("Sessions-me_password", password)
    assert (401, "sign_in_refused") == (status, problem["code"])  # read as a call of this page, by its CSRF token
