"""A git that knows what 2.25 knew: a program that refuses the rest and leaves it to the real one.

Only calls of ours are looked at, which begin with `--no-pager`. Whoever uses another option
looks up in git's release notes when it came, and writes it down here where that is 2.25 or
before; what came later needs a way round it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

KNOWN = {
    "add": "--all --pathspec-from-file --pathspec-file-nul",
    "apply": "--cached --binary --whitespace --check --reverse",
    "branch": "--no-track --force -f -D -q --quiet",
    "cat-file": "--batch-check --batch -e",
    "check-attr": "-z --stdin",
    "check-ignore": "-q",
    "check-ref-format": "",
    "cherry": "",
    "checkout": "--quiet --no-overwrite-ignore --detach --force"
    " --pathspec-from-file --pathspec-file-nul",
    "checkout-index": "-f -q -z --stdin",
    "clean": "-fdq",
    "commit": "--quiet --no-verify --only -m --pathspec-from-file --pathspec-file-nul",
    "commit-tree": "-p -m",
    "config": "--remove-section --get-regexp --bool --type --get --local",
    "diff": "--no-color --no-ext-diff --no-textconv --ignore-submodules --submodule"
    " --find-renames --src-prefix --dst-prefix --name-only --diff-filter -z --cached --quiet",
    "diff-files": "--name-status --name-only --raw --no-abbrev --no-renames --ignore-submodules -z",
    "diff-tree": "-r --no-color --no-ext-diff --no-textconv --ignore-submodules --submodule"
    " --find-renames --no-renames --raw --numstat -z --binary --full-index --unified"
    " --inter-hunk-context --src-prefix --dst-prefix --output --no-abbrev",
    "for-each-ref": "--format --contains --count --no-merged",
    "hash-object": "-w -t --stdin",
    "init": "--quiet --bare --template",
    "log": "--no-show-signature -1 --format --walk-reflogs --all --max-count --find-object"
    " --branches --remotes --tags",
    "ls-files": "--directory --no-empty-directory --unmerged --others --exclude-standard -t -v -z",
    "ls-tree": "-r -z --full-tree --name-only",
    "merge": "--quiet -m --ff-only --no-ff --squash",
    "merge-base": "--is-ancestor",
    "prune": "--expire",
    "read-tree": "--reset -m -u --no-sparse-checkout --dry-run",
    "repack": "-a -d -q --keep-pack",
    "reset": "--quiet",
    "rev-list": "--count --not --branches --tags --remotes",
    "rev-parse": "--verify --quiet --show-toplevel --is-shallow-repository --absolute-git-dir",
    "show-ref": "--verify --quiet",
    "status": "--porcelain -z --untracked-files --no-renames --ignore-submodules",
    "symbolic-ref": "-q",
    "update-index": "--add --remove --replace --force-remove --index-info --refresh -q -z --stdin",
    "update-ref": "--stdin -d",
    "var": "",
    "worktree list": "--porcelain",
    "worktree add": "--quiet --detach --no-track -b",
    "worktree lock": "--reason",
    "worktree unlock": "",
    "worktree remove": "--force",
    "worktree prune": "",
    "write-tree": "",
}
WITH_A_VALUE = "-m --reason -b -p -t"

PROGRAM = """\
#!/bin/sh
refuse() {{ echo "$*" >> '{refused}'; echo "error: git 2.25 knows no $*" >&2; exit 129; }}
check() {{
  while [ $# -gt 0 ]; do
    case "$1" in
      --) return ;;
      -*)
        case " $known " in *" ${{1%%=*}} "*) ;; *) refuse "$name ${{1%%=*}}" ;; esac
        case " {with_a_value} " in *" $1 "*) shift ;; esac ;;
    esac
    shift
  done
}}
look() {{
  shift
  while [ $# -gt 0 ]; do
    case "$1" in
      -c) shift 2 ;;
      --literal-pathspecs|--git-dir=*|--work-tree=*) shift ;;
      -*) refuse "$1" ;;
      *) break ;;
    esac
  done
  name=$1; shift
  if [ "$name" = worktree ]; then name="$name $1"; shift; fi
  case "$name" in
{cases}
    *) refuse "$name" ;;
  esac
  echo "$name" >> '{seen}'
  check "$@"
}}
case "$1" in
  --version) echo "git version 2.25.5"; exit 0 ;;
  --no-pager) look "$@" ;;
esac
exec '{git}' "$@"
"""


class OldGit:
    """The program, and what it was asked for."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self._refused, self._seen = folder / "refused", folder / "seen"
        git = shutil.which("git")
        assert git is not None
        cases = "\n".join(f"    '{name}') known='{flags}' ;;" for name, flags in KNOWN.items())
        program = folder / "git"
        program.write_text(
            PROGRAM.format(
                refused=self._refused,
                seen=self._seen,
                with_a_value=WITH_A_VALUE,
                cases=cases,
                git=git,
            )
        )
        program.chmod(0o755)

    @property
    def refused(self) -> list[str]:
        """What a git 2.25 would not have known."""
        return self._refused.read_text().splitlines() if self._refused.exists() else []

    @property
    def seen(self) -> set[str]:
        """The commands that were called."""
        return set(self._seen.read_text().splitlines())
