"""`python -m tests.screenshots [REPORT.html] [FOLDER]`: a report at phone and desktop width, light and dark.

Without a report it is the demo's, made anew. Whoever changes the page looks at all of them.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.paths import CHROMIUM

WIDTHS = {"phone": 360, "desktop": 1280}
SCHEMES = ("light", "dark")
FIRST = 820
"""Pixels down to which the first screen reaches; a second file holds the whole page."""


def shoot(report: Path, folder: Path) -> list[Path]:
    """Write `phone-light.png` and the others, each with its `-whole.png`; returns the paths."""
    from playwright.sync_api import sync_playwright

    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        for kind, width in WIDTHS.items():
            for scheme in SCHEMES:
                page = browser.new_page(viewport={"width": width, "height": FIRST}, color_scheme=scheme)
                page.goto(report.resolve().as_uri())
                for ending, whole in (("", False), ("-whole", True)):
                    paths.append(folder / f"{kind}-{scheme}{ending}.png")
                    page.screenshot(path=paths[-1], full_page=whole)
                page.close()
        browser.close()
    return paths


def main(arguments: list[str]) -> int:
    """Shoot, and print each path."""
    if CHROMIUM is None:
        print("error: no chromium on this machine", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as scratch:
        if arguments:
            report = Path(arguments[0])
        else:
            out = Path(scratch) / "demo"
            subprocess.run([sys.executable, "-m", "analyses", "demo", "--out", str(out)], check=True)
            report = out / "report.html"
        for path in shoot(report, Path(arguments[1] if len(arguments) > 1 else "screenshots")):
            print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
