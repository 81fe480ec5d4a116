"""`make browser`: the dashboard in a real Chromium, with axe, the checker of accessibility, which a wheel brings."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.support.clusters import ROOT

AXE = "AXE_SCRIPT"
"""The variable with the path of axe.min.js."""
WHEEL = (
    "axe-playwright-python==0.1.8"  # with axe-core 4.12; of the wheel nothing else is used, and nothing is installed
)


def main() -> None:
    """Get what is missing, below build/, and run the tests; end with pytest's exit code."""
    if not shutil.which("chromedriver"):
        sys.exit("make browser needs Chromium: apt-get install chromium chromium-driver")
    axe = os.environ.get(AXE) or str(_got(ROOT / "build" / "browser"))
    pytest = [sys.executable, "-m", "pytest", "-q", "tests/browser", *sys.argv[1:]]
    sys.exit(subprocess.run(pytest, check=False, env=os.environ | {AXE: axe}).returncode)


def _got(folder: Path) -> Path:
    found = folder / "axe.min.js"
    if not found.exists():
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "--dest", str(folder), WHEEL], check=True)
        [wheel] = folder.glob("*.whl")
        with zipfile.ZipFile(wheel) as opened:
            found.write_bytes(opened.read("axe_playwright_python/axe.min.js"))
    return found


if __name__ == "__main__":
    main()
