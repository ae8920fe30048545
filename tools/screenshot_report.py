"""Take a picture of a report page: python tools/screenshot_report.py REPORT.html OUT.png [--dark] [--question N]."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars"]
SETTLED_MS = 2000  # longer than the flight of the dots


def main() -> None:
    """Open the page offline in headless Chromium, ask the question and save what is seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--question", type=int, default=1, help="which question to show, from 1")
    parser.add_argument("--width", type=int, default=1440)
    parser.add_argument("--height", type=int, default=900)
    parser.add_argument("--full-page", action="store_true", help="the whole page and not only the first screen")
    arguments = parser.parse_args()
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("Chromium must be installed. Found none; type: apt-get install chromium, or set CHROMIUM to its path.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(
            viewport={"width": arguments.width, "height": arguments.height},
            color_scheme="dark" if arguments.dark else "light",
            device_scale_factor=2,
        )
        page.context.set_offline(True)
        page.goto(arguments.report.resolve().as_uri())
        page.get_by_role("tab").nth(arguments.question - 1).click()
        page.mouse.move(0, 0)
        page.wait_for_timeout(SETTLED_MS)
        page.screenshot(path=arguments.picture, full_page=arguments.full_page)
        browser.close()


if __name__ == "__main__":
    main()
