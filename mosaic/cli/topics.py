"""What `mission help TOPIC` explains, made from the tables in code where there are such.

A block is a paragraph, or rows of a word and its meaning. The reference and the man page are
made from the same blocks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

Rows: TypeAlias = "Sequence[tuple[str, str]]"
Block: TypeAlias = "str | Rows"

FILES = {
    "tasksFile": "the tasks table: the order of its rows is the order of the plan",
    "tasksDir": "a file for each task: front matter, text, handoff",
    "manifestFile": "what is in scope, and what is not",
    "scratchpadFile": "history and decisions",
    "orchestratorDir": "this machine's own: locks, runs, caches; never tracked by git",
}
TEMPLATES = (
    ("continuation.md.j2", "the prompt of `mission next`"),
    ("resume.md.j2", "the prompt of `mission resume`"),
    ("_*.md.j2", "the parts that both include: rules, task, dependencies, ending"),
    ("task.md.j2", "a new task file"),
    ("worker.md.j2, roles/*.md.j2", "the prompts of a panel's workers"),
)
ENVIRONMENT = (
    ("MISSION_FILE", "the mission to use: mission.json or its project"),
    (
        "MISSION_TRUST",
        "allows a mission's commands where a person cannot be asked (CI): the digest that "
        "`mission trust --list` shows, or `all`",
    ),
    (
        "MISSION_STATE_HOME",
        "your own state folder; else `$XDG_STATE_HOME/mosaic`, else `~/.local/state/mosaic`",
    ),
    (
        "MISSION_PATIENCE",
        "the seconds that a command waits for another that changes the mission, else 30; a tenth "
        "of them for files that an editor or git is just saving",
    ),
    ("MISSION_DEBUG", "`1` shows tracebacks"),
    ("MISSION_JSON_ERRORS", "`stdout` has errors there with `--json`, as `--json-errors=stdout`"),
    ("MISSION_WEB_TOKEN", "what `mission web` asks for before a look, as `--token`"),
    ("XDG_CONFIG_HOME", "holds `mosaic/config.toml`, your own settings; else `~/.config`"),
    (
        "MISSION_PAGER",
        "the pager of long output, else `pager` of your own settings, `PAGER` or `less`; `cat` is "
        "none",
    ),
    (
        "MISSION_EDITOR",
        "the editor, else `editor` of your own settings, `VISUAL`, `EDITOR` or `vi`",
    ),
    ("NO_COLOR", "turns colour off"),
    ("FORCE_COLOR", "turns colour on, also in a pipe; `0` turns it off"),
    (
        "MISSION_TASK, MISSION_SESSION, MISSION_RUN_DIR",
        "set for an agent: what it works on",
    ),
)


def _files() -> Iterator[Block]:
    from mosaic.store.layout import DEFAULT_PATHS, MISSION_PLACES
    from mosaic.text.sections import HANDOFF_SECTIONS

    yield (
        "A mission is a folder of plain files, in git. Edit them by hand whenever you like: the "
        "next command reads what you wrote, and an edit by a command changes no other byte."
    )
    rows = [("/".join(MISSION_PLACES[0]), "milestones, settings, sessions")]
    yield rows + [(DEFAULT_PATHS[key], meaning) for key, meaning in FILES.items()]
    yield (
        "A command uses the nearest mission from the current folder upwards, else the one that "
        "`--mission PATH` or `MISSION_FILE` names. The keys in mission.json that move a file are "
        f"{', '.join(f'`{key}`' for key in FILES)}."
    )
    yield (
        "A task may stand in the table, in a file, or in both. What both hold is one record: "
        "change either, and the next command copies it. Where both were changed, nothing is "
        "written, and `mission sync --prefer table` or `mission sync --prefer file` decides. "
        "`mission check` names everything that is wrong, with file and line."
    )
    yield (
        "The agent hands over in the last sections of the task file: "
        f"{', '.join(f'`{name}`' for name in HANDOFF_SECTIONS)}."
    )


def _fields() -> Iterator[Block]:
    yield (
        "Front matter of a task file; some are columns of the table too. `mission set T-001 "
        "priority=high` changes one, `mission set T-001 depends_on+=T-002` adds to a list and "
        "`mission set T-001 labels-=docs` takes from it. Unknown keys are kept."
    )
    yield [
        (name, f"{meaning} ({kind}, {'in ' + place if place != 'file' else 'in the file'})")
        for name, kind, place, meaning in field_rows()
    ]


def _statuses() -> Iterator[Block]:
    from mosaic.model import Status
    from mosaic.plan.statuses import ALIASES

    meanings = docs_of(Status)
    yield [
        (status.value, f"{meanings[status.name]} Also read: {', '.join(words[1:])}.")
        for status, words in ALIASES.items()
    ]
    yield (
        "Case, blanks, `-` and `_` do not matter, nor does an emoji, a date or a note around the "
        "word. A task whose status is not understood is shown as `?word` and never handed off. "
        'Give your own words a meaning in mission.json: `"statuses": {"shipped": "done"}`.'
    )
    yield (
        "A task is ready when it is todo, all that it depends on is done and merged, its milestone "
        "is open, and no session works on it or within its write scope. `mission next --explain` "
        "gives the reason for every task."
    )


def _prompts() -> Iterator[Block]:
    yield (
        "`mission next --print` shows the prompt that the agent would get, and starts nothing. "
        "It is made anew each time: the task, what it depends on, the last handoff, your "
        "decisions, the rules, and what was left where a session ended."
    )
    yield (
        "Prompts are Jinja templates. A file of the same name in your project's `templates/` "
        "replaces one:"
    )
    yield TEMPLATES
    yield "A name that a template does not know is an error with its line."


def _review() -> Iterator[Block]:
    yield (
        "An agent that has finished fills its handoff and sets the task to review. Only a person "
        "sets it done, with the claims beside what git, the transcript and recorded commands show."
    )
    yield (
        ("mission review", "what waits for you"),
        ("mission review T-001", "the claims of one task beside the evidence"),
        ("mission review T-001 --diff", "the same with the changes themselves"),
        ("mission review T-001 --approve", "accept it: the task is done"),
        ('mission review T-001 --reject --why "…"', "send it back, with the reason"),
        ('mission review T-001 --remark src/a.py:12 "…"', "say what is to be done at a line"),
        ('mission answer T-001 "…"', "answer what a blocked task asks"),
        ("mission gates T-001", "run the quality gates again"),
    )
    yield (
        "`ok` happened as claimed. `NO` ran and failed, or names a file that was not touched. "
        "`??` cannot be known. What stands against an approval is listed first; `--force` accepts "
        "the work all the same. What you decide is kept in the task file, and stands at the head "
        "of the next prompt."
    )


def _landing() -> Iterator[Block]:
    from mosaic.settings import Landing

    yield (
        "Work in a branch has landed when it is in what is checked out. A task is ready only when "
        "all that it depends on has landed. `landing` in mission.json says when that happens by "
        "itself:"
    )
    meanings = docs_of(Landing)
    yield [(each.value, meanings[each.name]) for each in Landing]
    yield (
        ("mission status", "lists under `to merge` what waits"),
        ("mission merge T-001", "merge one branch"),
        ("mission merge", "land all that are done, in order, each with its gates"),
        ("mission merge --dry-run", "only say what would be tried"),
        ("mission merge --hand-back", "give what does not land back to its agent"),
        ("mission pr T-001", "open its pull request, or look at it"),
    )


def _exit_codes() -> Iterator[Block]:
    yield [(str(code), meaning) for code, meaning in exit_code_rows()]
    yield (
        "With `--json` an error is one document on stderr; its `code`, such as `TASK_NOT_FOUND`, "
        "tells conditions apart that share an exit code."
    )


def _environment() -> Iterator[Block]:
    yield ENVIRONMENT


TOPICS: Mapping[str, tuple[str, Callable[[], Iterator[Block]]]] = {
    "files": ("where everything is, and what wins", _files),
    "fields": ("what stands in a task's front matter", _fields),
    "statuses": ("what each means, and when a task is ready", _statuses),
    "prompts": ("what an agent is given, and how to change it", _prompts),
    "review": ("claims beside evidence, and your decision", _review),
    "landing": ("when work in branches is merged", _landing),
    "exit codes": ("what each means", _exit_codes),
    "environment": ("the variables that are read and set", _environment),
}
"""Each with what it is about, and what makes its blocks."""


def find_topic(words: str) -> str | None:
    """Return the topic that a person names, in whatever case and with `-`, `_` or blanks."""
    wanted = words.lower().replace("-", " ").replace("_", " ").strip()
    names = (name for name in TOPICS if wanted in (name, name.removesuffix("s"), f"{name}s"))
    return next(names, None)


def field_rows() -> Iterator[tuple[str, str, str, str]]:
    """Yield name, type, where it stands and meaning of every field of a task."""
    from mosaic.text.fields import FIELDS

    for field in FIELDS:
        also = f"; `{field.also}` is read as the same" if field.also else ""
        place = "file and table" if field.synced or not field.settable else "file"
        yield field.name, field.kind.value, place, field.meaning + also


def exit_code_rows() -> Iterator[tuple[int, str]]:
    """Yield every exit code with its meaning."""
    from mosaic.errors import ExitCode

    meanings = docs_of(ExitCode)
    return ((int(each), meanings[each.name]) for each in ExitCode)


def docs_of(kind: type) -> dict[str, str]:
    """Return the text below each attribute of a class, in one line; without one, an empty text."""
    import ast
    import inspect

    body = ast.parse(inspect.getsource(kind)).body[0]
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    last = ""
    for statement in body.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            last = statement.target.id
            found[last] = ""
        elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            last = statement.targets[0].id
            found[last] = ""
        elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            if last:
                found[last] = " ".join(str(statement.value.value).split())
            last = ""
        else:
            last = ""
    return found
