"""Every error: its class, its stable code, its exit code, its text."""

from __future__ import annotations

import inspect

import pytest

from mosaic import errors
from mosaic.cli.output import error_lines
from mosaic.errors import ExitCode, MissionError

MADE: list[tuple[MissionError, str, int]] = [
    (errors.UsageError("x"), "USAGE", 2),
    (errors.MissionNotFoundError("/here"), "MISSION_NOT_FOUND", 2),
    (errors.MissionOwnerError("/here", "the user `x`"), "MISSION_OWNER", 2),
    (errors.MissionExistsError("/here"), "MISSION_EXISTS", 2),
    (errors.TaskNotFoundError("T-9", ["T-8"]), "TASK_NOT_FOUND", 2),
    (errors.SessionNotFoundError("no session is live"), "SESSION_NOT_FOUND", 2),
    (errors.CheckpointNotFoundError("T-1", 9, [1, 2]), "CHECKPOINT_NOT_FOUND", 2),
    (errors.PanelNotFoundError("panel-009", ["panel-001"]), "PANEL_NOT_FOUND", 2),
    (errors.RunNotFoundError("no run matches `r1`", ["r2"]), "RUN_NOT_FOUND", 2),
    (errors.RuntimeUnknownError("x", ["claude"]), "RUNTIME_UNKNOWN", 2),
    (errors.NotReadyError("x"), "NOT_READY", 3),
    (errors.TaskNotReadyError("T-1", "is done"), "TASK_NOT_READY", 3),
    (errors.NothingReadyError("1 task waits"), "NOTHING_READY", 3),
    (errors.ConsentNeededError(["gate: x"], path="/m", digest="0"), "CONSENT_NEEDED", 4),
    (errors.HeldError("x"), "HELD", 4),
    (errors.SessionLiveError("lives", detail="d", hint="h"), "SESSION_LIVE", 4),
    (errors.RestoreUnfinishedError("T-1", 3, "/t"), "RESTORE_UNFINISHED", 4),
    (errors.SessionOverError("sess-001", "it ended"), "SESSION_OVER", 4),
    (errors.LockTimeoutError("/l", 10.0, "pid 1"), "LOCK_TIMEOUT", 4),
    (errors.BrokenFileError("x"), "FILE_INVALID", 5),
    (errors.FrontMatterError("x", line=3), "TASK_FRONTMATTER_INVALID", 5),
    (errors.TableError("x"), "TABLE_INVALID", 5),
    (errors.TaskIdError("a b"), "TASK_ID_INVALID", 5),
    (errors.MissionFileError("x"), "MISSION_FILE_INVALID", 5),
    (errors.OwnSettingsError("x"), "CONFIG_INVALID", 5),
    (errors.LockFileError("x"), "LOCK_UNREADABLE", 5),
    (errors.RecordError("x"), "RUN_RECORD_INVALID", 5),
    (errors.TemplateError("x"), "TEMPLATE_INVALID", 5),
    (errors.EditRefusedError("x"), "EDIT_REFUSED", 5),
    (errors.FileAccessError("x"), "FILE_ACCESS", 5),
    (errors.FileChangedError("/f"), "FILE_CHANGED", 5),
    (errors.GitRefusedError("/r", "fatal: bad config line 1\n"), "GIT_REFUSED", 5),
    (errors.MergeConflictError(3, 9, "topic"), "MERGE_CONFLICT", 5),
    (errors.PathOutsideError("x"), "PATH_OUTSIDE", 5),
    (errors.StateNotOursError("/s", because="is a symlink", way_out="y"), "STATE_NOT_OURS", 5),
    (errors.DuplicateTaskError("T-1", ["a.md:2", "b.md:2"]), "TASK_DUPLICATE", 5),
    (errors.SyncConflictError("T-1", "d"), "SYNC_CONFLICT", 5),
    (errors.FailedError("x"), "FAILED", 1),
    (
        errors.AgainstEvidenceError("T-1", ["1 claim is contradicted"], hint="h"),
        "AGAINST_EVIDENCE",
        1,
    ),
    (errors.ProgramNotFoundError("p", problem="gone", hint="h"), "PROGRAM_NOT_FOUND", 1),
    (errors.HostsFullError("T-1", {"box": 2}), "HOSTS_FULL", 4),
    (errors.UnreachableError("box", "timed out"), "HOST_UNREACHABLE", 1),
    (errors.HostNotReadyError("box", "git: not found", hint="install git"), "HOST_NOT_READY", 1),
    (errors.ExtraMissingError("`mission board`", "board", "textual"), "EXTRA_MISSING", 1),
    (errors.PluginError("runtime", "x", "some-package 1.0", "why"), "PLUGIN_BROKEN", 1),
    (errors.GitError("x"), "GIT_FAILED", 1),
    (errors.PullRequestError("x"), "PULL_REQUEST_FAILED", 1),
    (errors.DirtyTreeError("/t", ["a.py"]), "TREE_DIRTY", 1),
]


@pytest.mark.parametrize(("error", "code", "exit_code"), MADE, ids=lambda x: str(x)[:30])
def test_an_error_has_its_code_and_exit_code(
    error: MissionError, code: str, exit_code: int
) -> None:
    assert error.code == code
    assert error.exit_code == ExitCode(exit_code)
    assert error.json_values()["code"] == code
    assert not error.message.endswith(".")
    assert error_lines(error)[0] == f"error: {error.message}"


def test_every_class_is_looked_at_and_every_code_is_its_own() -> None:
    classes = {
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, MissionError) and kind is not MissionError
    }
    assert classes == {type(error) for error, _, _ in MADE}
    assert len({kind.code for kind in classes}) == len(classes)


def test_an_error_names_file_and_line_then_what_was_found_then_a_hint() -> None:
    error = errors.FrontMatterError("it is bad", line=4, detail="one\ntwo", hint="mend it")
    assert error_lines(error.at("tasks/T-1.md")) == [
        "error: it is bad",
        "  --> tasks/T-1.md:4",
        "  one",
        "  two",
        "",
        "hint: mend it",
    ]


def test_a_message_cannot_steer_the_terminal() -> None:
    error = errors.UsageError("a\x1b[31mb\nc")
    assert error_lines(error)[0] == "error: ab c"
