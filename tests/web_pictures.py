"""Writes the pictures of the board in the browser in `docs/`: `python -m tests.web_pictures`."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.pictures import make_mission
from tests.support.browsing import serving

DOCS = Path(__file__).resolve().parents[1] / "docs"
PICTURES = (
    ("web-board", "/", {"width": 1000, "height": 480}, "light"),
    ("web-task", "/task/T-002#changes", {"width": 1000, "height": 560}, "light"),
    ("web-phone", "/inbox", {"width": 390, "height": 640}, "dark"),
)


def main() -> None:
    """Make a mission, and take the pictures."""
    program = shutil.which("chromium")
    with (
        tempfile.TemporaryDirectory(prefix="pictures-") as place,
        serving(make_mission(Path(place) / "runner"), "--read-only") as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for name, path, size, scheme in PICTURES:
            context = browser.new_context(viewport=size, color_scheme=scheme)
            page = context.new_page()
            page.goto(server.url.rstrip("/") + path)
            page.wait_for_selector("#nav")
            page.screenshot(path=DOCS / f"{name}.png")
            context.close()
        browser.close()


if __name__ == "__main__":
    main()
