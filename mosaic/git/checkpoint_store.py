"""Where the trees of checkpoints are kept: a bare repository of ours inside the user's `.git`.

    .git/mosaic/checkpoints.git/     refs/mosaic/checkpoints/RUN/SEQ, and all objects they need

No ref of the user's repository names a checkpoint, so `git log --all`, graphical tools, every
push, clone, fetch, mirror and bundle pass them by. The store has the objects as files of its
own, by hard links, with the history below: nothing that is done to the user's repository, such
as `git gc --prune=now`, takes any from it. An object that is missing there is brought back from
here when git asks for it (`run_git`).

Checkpoints of older versions are hidden refs of the user's repository. They are moved here with
the next one that is taken, and by `clean`.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from mosaic.errors import FileAccessError, GitError
from mosaic.git.git import answer_of, common_dir, run_git
from mosaic.git.index_copy import git_on
from mosaic.git.objects import STORE, bring_back, pack_names, share_objects
from mosaic.git.packs import take_pack
from mosaic.machine.disk import create_private_dir, find_bytes
from mosaic.machine.git_dir import read_small
from mosaic.machine.lock import hold_folder
from mosaic.machine.removing import remove_file, remove_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mosaic.git.git import GitResult
    from mosaic.git.snapshot import TakenTree

OUR_REFS = "refs/mosaic"
HIDDEN_REFS = f"{OUR_REFS}/checkpoints"
TURN_SECONDS = 300.0
"""How long to wait for another process at the store."""
REPACK_SECONDS = 3600.0
LARGEST_REFS_BYTES = 64 << 20
PLAIN_IDENTITY = {
    "GIT_AUTHOR_NAME": "Mosaic",
    "GIT_AUTHOR_EMAIL": "mosaic@localhost",
    "GIT_COMMITTER_NAME": "Mosaic",
    "GIT_COMMITTER_EMAIL": "mosaic@localhost",
}
"""Nobody's name stands under what nobody committed."""
_EVERYTHING = "refs/*:refs/*"
SHA256_DIGITS = 64


def keep_tree(top: Path, taken: TakenTree, *, ref: str, message: str) -> str:
    """Give a tree a commit, and keep that in the store as `HIDDEN_REFS/ref`; return the commit."""
    parent = ["-p", taken.head] if taken.head else []
    text = message.encode("utf-8", "replace")
    answer = run_git(["commit-tree", taken.tree, *parent], top, stdin=text, env=PLAIN_IDENTITY)
    commit = answer.text.strip()
    _keep(top, {ref: commit})
    return commit


def keep_packed(top: Path, pack: Path, refs: Mapping[str, str]) -> None:
    """Take in commits that were made elsewhere, each kept as `HIDDEN_REFS/ref`.

    `pack` has all of them that is not in the repository; its objects come there as well.
    """
    _keep(top, refs, pack)
    bring_back(_shared(top))


def _keep(top: Path, refs: Mapping[str, str], pack: Path | None = None) -> None:
    shared = _shared(top)
    store = shared / STORE
    create_private_dir(store)
    with hold_folder(store, wait_seconds=TURN_SECONDS):
        if not (store / "HEAD").exists():
            _lay(top, store, digits=len(next(iter(refs.values()))))
        _fill(shared, store)
        if pack is not None:
            take_pack(store, pack)
        for ref, commit in refs.items():
            _on(store, ["update-ref", f"{HIDDEN_REFS}/{ref}", commit], top)
        _take_over(top, store)


def forget_trees(top: Path, prefix: str) -> int:
    """Forget the trees whose ref begins with `prefix/`; return how many there were.

    Their objects go when the store is tidied.
    """
    shared, count = _shared(top), 0
    if has_store(top):
        count += _forget(shared / STORE, top, f"{HIDDEN_REFS}/{prefix}/")
    if has_old(top):
        count += _forget(None, top, f"{HIDDEN_REFS}/{prefix}/")
    return count


def tidy_store(top: Path) -> None:
    """Take over what older versions kept, then drop all that no checkpoint needs any more.

    What the user's repository has in packs is not stored a second time.
    """
    shared = _shared(top)
    store = shared / STORE
    if has_old(top):
        create_private_dir(store)
    if not store.is_dir():
        return
    with hold_folder(store, wait_seconds=TURN_SECONDS):
        if not (store / "HEAD").exists():
            format_ = answer_of(["config", "extensions.objectformat"], top)
            _lay(top, store, digits=SHA256_DIGITS if format_ == "sha256" else 0)
        if has_old(top):
            _fill(shared, store)
            _take_over(top, store)
        if not _on(store, ["for-each-ref", "--count=1"], top).stdout:
            remove_folder(shared, store)
            return
        if any((store / "objects" / "pack").glob("*.promisor")):
            return  # a partial clone: git would miss what the user's repository can still fetch
        _fill(shared, store)
        users = pack_names(shared / "objects") & pack_names(store / "objects")
        keep = [f"--keep-pack={name}.pack" for name in sorted(users)]
        repack = ["-c", "repack.writeBitmaps=false", "repack", "-a", "-d", "-q", *keep]
        for command in (repack, ["prune", "--expire=now"]):
            run_git([f"--git-dir={store}", *command], top, timeout_seconds=REPACK_SECONDS)


def has_store(top: Path) -> bool:
    """Tell whether a repository has checkpoints in a store; starts no process."""
    shared = common_dir(top)
    return shared is not None and (shared / STORE / "HEAD").exists()


def carrying_remotes(cwd: Path) -> list[str]:
    """Return the remotes that a plain `git push` carries checkpoints of older versions to."""
    if not has_old(cwd):
        return []
    found = []
    for line in (answer_of(["config", "--get-regexp", r"^remote\..*"], cwd) or "").split("\n"):
        key, _, value = line.partition(" ")
        name, _, setting = key.removeprefix("remote.").rpartition(".")
        is_mirror = setting == "mirror" and value.strip().lower() in ("true", "yes", "on", "1", "")
        if is_mirror or (setting == "push" and value.strip().lstrip("+") == _EVERYTHING):
            found.append(name)
    return list(dict.fromkeys(found))


def _shared(top: Path) -> Path:
    shared = common_dir(top)
    if shared is None:
        raise GitError(f"`{top}` is not in a git work tree")
    return shared


def _on(store: Path | None, args: list[str], top: Path, stdin: bytes | None = None) -> GitResult:
    """Run git on the store, or on the user's repository for None."""
    place = [f"--git-dir={store}"] if store else []
    return git_on([*place, *args], top, stdin=stdin)


def _lay(top: Path, store: Path, *, digits: int) -> None:
    kind = ["--object-format=sha256"] if digits == SHA256_DIGITS else []
    run_git(["init", "--quiet", "--bare", "--template=", *kind, str(store)], top)
    _on(store, ["config", "gc.auto", "0"], top)


def _fill(shared: Path, store: Path) -> None:
    """Give the store all objects of the user's repository, and what tells where they end."""
    try:
        share_objects(shared / "objects", store / "objects")
        if (shared / "shallow").exists():
            shutil.copyfile(shared / "shallow", store / "shallow")
        else:
            remove_file(store, store / "shallow")
        others = read_small(shared / "objects" / "info" / "alternates")
        if others:
            places = (os.path.join(shared / "objects", each) for each in others.splitlines())
            (store / "objects" / "info").mkdir(exist_ok=True)
            lines = "".join(f"{place}\n" for place in places)
            (store / "objects" / "info" / "alternates").write_text(lines)
    except OSError as error:
        raise FileAccessError(
            "checkpoints cannot be kept", path=store, detail=error.strerror
        ) from None


def has_old(top: Path) -> bool:
    """Tell whether the user's repository holds checkpoints of older versions."""
    shared = common_dir(top)
    if shared is None:
        return False
    if (shared / "reftable").exists():
        return bool(answer_of(["for-each-ref", "--count=1", f"{HIDDEN_REFS}/"], top))
    packed = find_bytes(shared / "packed-refs", limit_bytes=LARGEST_REFS_BYTES) or b""
    loose = (shared / HIDDEN_REFS).rglob("*")
    return os.fsencode(f" {HIDDEN_REFS}/") in packed or any(path.is_file() for path in loose)


def _take_over(top: Path, store: Path) -> None:
    """Move the refs of older versions out of the user's repository."""
    if not has_old(top):
        return
    command = ["for-each-ref", "--format=%(refname) %(objectname)", f"{HIDDEN_REFS}/"]
    lines = _on(None, command, top).text.splitlines()
    for place, action in ((store, "update"), (None, "delete")):
        commands = "".join(f"{action} {line}\n" for line in lines)
        _on(place, ["update-ref", "--stdin"], top, stdin=os.fsencode(commands))


def _forget(place: Path | None, top: Path, prefix: str) -> int:
    found = _on(place, ["for-each-ref", "--format=%(refname)", prefix], top).text
    names = [name for name in found.split("\n") if name]
    if names:
        commands = "".join(f"delete {name}\n" for name in names)
        _on(place, ["update-ref", "--stdin"], top, stdin=os.fsencode(commands))
    return len(names)
