"""`make test-busy`: the tests on a machine whose cores others keep busy. They may take longer, no more."""

import subprocess
import sys

LOOPS = 8
LIMIT_S = 3_600
"""A test may take that long: `timeout` of setup.cfg is for a machine that has its cores for itself."""
LOOP = [sys.executable, "-c", "import os\nparent = os.getppid()\nwhile os.getppid() == parent: pass"]
"""It ends with who started it, however that ends."""


def main() -> None:
    """Run pytest with the arguments given, beside as many busy loops; end with its code."""
    loops = [subprocess.Popen(LOOP) for _ in range(LOOPS)]
    try:
        code = subprocess.run(
            [sys.executable, "-m", "pytest", f"--timeout={LIMIT_S}", *sys.argv[1:]], check=False
        ).returncode
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
    sys.exit(code)


if __name__ == "__main__":
    main()
