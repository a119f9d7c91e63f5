"""Write the kept answers anew: `python -m tests.golden [SCENE]…`."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from .scenes import SCENES
from .stage import Stage
from .test_golden import KEPT


def write(name: str) -> None:
    with tempfile.TemporaryDirectory(prefix="mission-golden-") as folder:
        stage = Stage(Path(folder))
        SCENES[name](stage)
    text = json.dumps(stage.answers, indent=1, ensure_ascii=False)
    (KEPT / f"{name}.json").write_text(text + "\n", encoding="utf-8")


KEPT.mkdir(exist_ok=True)
for wanted in sys.argv[1:] or SCENES:
    write(wanted)
