"""The board in a real browser: what people see, do, type and hear of."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.browsing import HOSTILE, Server, copy_scene, serving
from tests.support.mission import PATIENCE_SECONDS, MissionRepo

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

for needed in ("starlette", "uvicorn", "playwright"):
    pytest.importorskip(needed, reason=f"{needed} is not installed: the extra `test`")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
AXE = Path(os.environ.get("MISSION_TEST_AXE", "")) / "axe-core" / "axe.min.js"
PAGES = (
    "/",
    "/plan",
    "/inbox",
    "/live",
    "/graph",
    "/timeline",
    "/log/T-001",
    "/task/T-001",
    "/task/T-002",
)
PHONE = {"width": 390, "height": 844}
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="chromium is not installed: `apt-get install chromium`"
)


class Visitor:
    """Somebody with a browser of their own, and what it complained of."""

    def __init__(self, browser: Browser, server: Server, **options: Any) -> None:
        self.server = server
        self.context = browser.new_context(**options)
        self.context.set_default_timeout(PATIENCE_SECONDS * 1000)
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", lambda said: self._note(said.type, said.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))

    def _note(self, kind: str, text: str) -> None:
        # A refused change, and a server that ends, are told by the browser too.
        if kind == "error" and "Failed to load resource" not in text and "net::" not in text:
            self.complaints.append(text)

    def go(self, path: str) -> Page:
        self.page.goto(self.server.url.rstrip("/") + path)
        return self.page


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE_SECONDS * 1000)
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def server(board_scene: MissionRepo, tmp_path: Path) -> Iterator[Server]:
    with serving(copy_scene(board_scene, tmp_path / "mission")) as found:
        yield found


def test_what_one_person_does_another_sees_until_the_server_ends(
    browser: Browser, server: Server, tmp_path: Path
) -> None:
    from playwright.sync_api import expect

    repo = MissionRepo(tmp_path / "mission", {})
    ana, bob = Visitor(browser, server), Visitor(browser, server)
    board = bob.go("/")
    expect(board).to_have_title("(2) Board")
    expect(board.locator("#column-blocked #card-T-002")).to_be_visible()

    page = ana.go("/inbox")
    page.get_by_label("Your answer to T-002").fill("blue")
    page.get_by_role("button", name="Answer", exact=True).click()
    expect(page.locator("#said")).to_contain_text("T-002 answered")
    expect(board.locator("#column-in-progress #card-T-002")).to_be_visible()

    page = ana.go("/task/T-001")
    page.locator("tr.added", has_text="return sum").click()
    form = page.locator("tr.remark")
    form.locator("textarea").fill(f"Say *why*. {HOSTILE}")
    form.get_by_role("button", name="Remark", exact=True).click()
    expect(page.locator("tr.remark .words")).to_contain_text("Say why. <script>")
    task = next((repo.path / "coordination" / "tasks").glob("T-001*")).read_text()
    assert "at: src/total.py:1" in task

    page.get_by_role("button", name="Approve T-001").click()
    expect(page.locator("#said")).to_contain_text("T-001 approved")
    expect(board.locator("#column-done #card-T-001")).to_be_visible()

    server.stop()
    for each in (page, board):
        expect(each.locator("#offline")).to_be_visible()
    assert ana.complaints == bob.complaints == []


def test_a_scope_is_widened_and_a_branch_merged(
    browser: Browser, server: Server, board_scene: MissionRepo, tmp_path: Path
) -> None:
    from playwright.sync_api import expect

    repo = MissionRepo(tmp_path / "mission", board_scene.environ)
    (tmp_path / "body.md").write_text("## Goal\n\nIt ends.\n\n```demo\nwrite src/end.txt x\n```\n")
    work = ("next", "--task", "T-005", "--runtime", "demo", "--worktree", "--headless")
    for command in (
        ("add", "Say the end", "--scope", "src/**", "--body", str(tmp_path / "body.md")),
        ("set", "T-001", "write_scope=src/total.py"),
        work,
        ("review", "T-005", "--approve", "--force", "--commit"),
    ):
        assert repo.run(*command).exit_code == 0, command
    ana, bob = Visitor(browser, server), Visitor(browser, server)
    inbox = bob.go("/inbox")
    expect(inbox.get_by_role("button", name="Merge T-005")).to_be_visible()

    page = ana.go("/task/T-001")
    outside = page.get_by_role("button", name="Accept src/greeting.txt for this task")
    outside.click()
    expect(page.locator("#said")).to_contain_text("T-001 allowed")
    expect(outside).to_have_count(0)
    (allowed,) = repo.run("show", "T-001", "--json").json()["decisions"]
    assert (allowed["kind"], allowed["text"]) == ("allowed", "`src/greeting.txt`")

    page = ana.go("/task/T-005")
    page.get_by_role("button", name="Merge T-005").click()
    expect(page.locator("#said")).to_contain_text("is in main: commit")
    expect(inbox.get_by_role("button", name="Merge T-005")).to_have_count(0)
    assert (repo.path / "src" / "end.txt").read_text().strip() == "x"
    assert ana.complaints == bob.complaints == []


def test_what_is_typed_stays_when_the_task_moves(
    browser: Browser, server: Server, board_scene: MissionRepo, tmp_path: Path
) -> None:
    from playwright.sync_api import expect

    repo = MissionRepo(tmp_path / "mission", board_scene.environ)
    ana = Visitor(browser, server)
    page = ana.go("/task/T-002")
    field = page.get_by_label("Your answer")
    field.fill("red, I think")
    assert repo.run("set", "T-002", "priority=high").exit_code == 0
    expect(page.locator(".moved")).to_contain_text("What you typed is kept")
    page.get_by_role("button", name="Answer", exact=True).click()
    expect(page.get_by_role("alert").filter(has_text="meanwhile")).to_be_visible()
    expect(field).to_have_value("red, I think")
    assert repo.task_status("T-002") == "blocked"
    page.get_by_role("button", name="Make this form for the task as it is now").click()
    expect(page.locator("#said")).to_contain_text("as it is now")
    page.get_by_role("button", name="Answer", exact=True).click()
    expect(page.locator("#said")).to_contain_text("T-002 answered")
    assert repo.task_status("T-002") == "in-progress"
    assert ana.complaints == []


def test_all_of_it_works_by_keys_alone(browser: Browser, server: Server) -> None:
    from playwright.sync_api import expect

    page = Visitor(browser, server).go("/")
    page.keyboard.press("Tab")
    expect(page.get_by_text("To the content")).to_be_focused()
    page.keyboard.press("/")
    page.keyboard.type("paint")
    expect(page.locator("#card-T-003")).to_be_visible()
    expect(page.locator("#card-T-001")).to_be_hidden()

    page.goto(f"{server.url}task/T-001")
    first = page.locator("a[data-place]").first
    first.focus()
    page.keyboard.press("Enter")
    page.keyboard.type("by keys")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("tr.remark .words")).to_contain_text("by keys")


def test_it_works_without_javascript(browser: Browser, server: Server, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    page = Visitor(browser, server, java_script_enabled=False).go("/task/T-001")
    page.get_by_label("Remark on line 1", exact=True).first.click()
    page.get_by_label("Your remark on src/greeting.txt:1").fill("without scripts")
    page.get_by_role("button", name="Remark", exact=True).click()
    expect(page.locator("tr.remark .words")).to_contain_text("without scripts")
    page.get_by_text("Send it back", exact=True).click()
    page.get_by_label("What is missing").fill("more")
    page.get_by_role("button", name="Send T-001 back").click()
    expect(page.locator("h1 + p .word")).to_have_text("todo")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_a_phone_and_everybody_can_use_them(
    browser: Browser, server: Server, scheme: str
) -> None:
    visitor = Visitor(browser, server, viewport=PHONE, color_scheme=scheme, is_mobile=True)
    for path in PAGES:
        page = visitor.go(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path
        assert serious_of(page) == [], path
    assert visitor.complaints == []
    skip_without_axe()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_report_to_send_needs_no_script_and_everybody_can_read_it(
    browser: Browser, board_scene: MissionRepo, tmp_path: Path, scheme: str
) -> None:
    place = tmp_path / "report.html"
    assert board_scene.run("report", "--html", str(place)).exit_code == 0
    seen_by: Any = {"viewport": PHONE, "color_scheme": scheme, "is_mobile": True}
    context = browser.new_context(**seen_by)
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(place.as_uri())
    assert page.locator("h1").inner_text() == "Worker runner"
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert page.locator("script, link, img, iframe, object, embed").count() == 0
    assert page.evaluate("document.title") != "run"  # what agents said in it was not run
    assert serious_of(page) == []
    assert asked == [place.as_uri()]
    context.close()
    skip_without_axe()


def serious_of(page: Page) -> list[tuple[str, str]]:
    """Return what axe finds on a page with all of it open that keeps somebody from using it."""
    if not AXE.is_file():
        return []
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run().then((all) => all.violations)")
    return [
        (each["id"], each["nodes"][0]["html"])
        for each in found
        if each["impact"] in ("serious", "critical")
    ]


def skip_without_axe() -> None:
    """Say of what was not looked at, after all that was."""
    if not AXE.is_file():
        pytest.skip("axe-core is not there to be asked: see `MISSION_TEST_AXE` in .ci/run")
