"""A headless Chromium that runs a script in an empty document, and what the script found: the tests of pages."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
TRIES = 6
needed = pytest.mark.skipif(BROWSER is None, reason="no Chromium here: `apt install chromium`")


def ran(script: str, folder: Path, **pages: str) -> tuple[Any, str]:
    """What the script found, and what the browser wrote to its console.

    The script knows each page by its name, in capitals, and ends by calling `tell(found)`.
    """
    texts = [f"const {name} = {json.dumps(page)};".replace("<", "\\u003c") for name, page in pages.items()]
    tell = "const tell = (found) => (document.body.textContent = " + (
        "`BEGIN${btoa(unescape(encodeURIComponent(JSON.stringify(found))))}END`);"
    )
    harness = folder / "harness.html"
    script = f"{''.join(texts)}{tell}{script}"
    harness.write_text(f"<!doctype html><meta charset=utf-8><body><script>{script}</script>", encoding="utf-8")
    flags = f"--headless --no-sandbox --disable-gpu --user-data-dir={folder / 'profile'} --enable-logging=stderr --v=0"
    flags += " --force-prefers-reduced-motion"  # in virtual time nothing moves
    command = [str(BROWSER), *flags.split(), "--virtual-time-budget=60000", "--dump-dom", harness.as_uri()]
    for _ in range(TRIES):  # its virtual time does not wait for pictures that are decoded on other threads
        done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
        if found := re.search(r"BEGIN([A-Za-z0-9+/=]*)END", done.stdout):  # greedy: base64 may spell END too
            return json.loads(base64.b64decode(found[1])), done.stderr
    pytest.skip(f"this machine is too busy: Chromium came to no end in {TRIES} tries")
