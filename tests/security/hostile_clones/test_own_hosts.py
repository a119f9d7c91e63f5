"""A clone's tasks choose no machine of the person's own before the person has said so."""

from __future__ import annotations

import subprocess
import sys

from tests.security.hostile_clones.lab import Lab


def call(lab: Lab, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(lab.starter), *words],
        cwd=lab.clone,
        env=lab.environ(lab.home),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_clone_is_asked_about_before_it_uses_a_persons_own_host(lab: Lab) -> None:
    lab.mission(lab.project, "set", "T-004", "runs_on=gpu")
    lab.git(lab.project, "commit", "-qam", "It goes where there is one")
    lab.git(lab.home, "clone", "-q", str(lab.project), str(lab.clone))
    own = lab.home / ".config" / "mosaic" / "config.toml"
    own.parent.mkdir(parents=True)
    own.write_text('[hosts.box]\naddress = "me@box"\nlabels = ["gpu"]\n')
    for words in (("next", "--task", "T-004"), ("next", "--loop"), ("next", "-j", "2", "--loop")):
        refused = call(lab, *words, "--headless", "--json")
        assert refused.returncode == 4, refused
        assert '"CONSENT_NEEDED"' in refused.stderr
        assert "your host box: `runs_on` of tasks chooses me@box" in refused.stderr
    assert not (lab.ran / "ssh").exists()
    listed = call(lab, "trust", "--list")
    assert "your host box" in listed.stdout
    assert call(lab, "trust").returncode == 0
    call(lab, "next", "--task", "T-004", "--headless")
    assert "me@box" in (lab.ran / "ssh").read_text()
    own.write_text('[hosts.box]\naddress = "me@other"\nlabels = ["gpu"]\n')
    again = call(lab, "next", "--task", "T-004", "--headless")
    assert again.returncode == 4  # it is another machine
