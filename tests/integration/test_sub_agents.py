"""What a sub-agent ran is told nowhere in the stream of `gemini`: a claim of it is no lie."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.support.mission import MissionRepo
from tests.support.shell_agent import AGENT, change_mission

RECORDED = json.loads(
    (Path(__file__).resolve().parents[1] / "data" / "runtimes" / "gemini.json").read_text()
)
CLAIM = """\
cat "$STREAM"; NOFINISH=1
said=$MISSION_RUN_DIR/said; echo "- nothing" >"$said"
ran=$MISSION_RUN_DIR/ran; echo '- `echo from-sub` passed' >"$ran"
set -- --set "commands_run=$ran"
for each in files_changed result risks next_handoff notes; do
  set -- "$@" --set "$each=$said"
done
mission handoff "$MISSION_TASK" "$@" >&2 && mission set "$MISSION_TASK" status=review >&2
"""


@pytest.mark.parametrize(
    ("case", "standing"), [("sub_agent", "unseen"), ("failed_command", "contradicted")]
)
def test_a_claim_is_not_denied_where_a_sub_agent_may_have_run_it(
    repo: MissionRepo, tmp_path: Path, case: str, standing: str
) -> None:
    stream = tmp_path / "stream"
    stream.write_text("".join(f"{line}\n" for line in RECORDED[case]["stdout"]))
    agent = tmp_path / "agent.sh"
    agent.write_text(AGENT)
    change_mission(repo, runtimes={"gemini": {"command": ["sh", str(agent)], "prompt": "stdin"}})
    done = repo.run(
        "next", "--runtime", "gemini", "--headless",
        DOES=CLAIM, STREAM=str(stream), PYTHON=sys.executable,
    )  # fmt: skip
    assert done.exit_code == 0, done.stdout + done.stderr
    review = repo.run("review", "T-001", "--json").json()
    (claim,) = review["claims"]["commands"]
    assert claim["standing"] == standing, claim
    assert review["evidence"]["knows_all_commands"] == (case != "sub_agent")
    told = "does not tell what its sub-agents ran" in " ".join(review["evidence"]["caveats"])
    assert told == (case == "sub_agent")
