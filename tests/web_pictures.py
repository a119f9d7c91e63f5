"""Writes the pictures of the board in the browser in `docs/`: `python -m tests.web_pictures`."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.support.browsing import make_scene, serving

DOCS = Path(__file__).resolve().parents[1] / "docs"
PICTURES = (
    ("web-board", "/", 1110, 460),
    ("web-changes", "/task/T-001", 1000, 460),
    ("web-phone", "/inbox", 390, 520),
)


def main() -> None:
    """Make a mission, and take the pictures."""
    with tempfile.TemporaryDirectory(prefix="pictures-") as place:
        folder = Path(place) / "mission"
        folder.mkdir()
        with serving(make_scene(folder, "the sea")) as server, sync_playwright() as playwright:
            program = shutil.which("chromium")
            browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
            for name, path, width, height in PICTURES:
                is_dark = name == "web-phone"
                page = browser.new_page(
                    viewport={"width": width, "height": height},
                    color_scheme="dark" if is_dark else "light",
                )
                page.goto(server.url.rstrip("/") + path)
                if path.startswith("/task/"):
                    line = page.locator("tr.added", has_text="return sum")
                    line.click()
                    page.locator("tr.remark textarea").fill("Say in a word what it sums.")
                    page.locator("#changes").scroll_into_view_if_needed()
                    page.evaluate("scrollTo(0, document.getElementById('changes').offsetTop - 60)")
                page.wait_for_selector("#nav")
                page.screenshot(path=DOCS / f"{name}.png")
                page.close()
            browser.close()


if __name__ == "__main__":
    main()
