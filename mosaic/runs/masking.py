"""Argument lists fit to be recorded: without keys, and without the prompt."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PROMPT_MARK = "{prompt}"
"""Stands in `meta.json` where the argument list holds the prompt itself."""
SECRET = re.compile(
    r"(?i)(?:sk|pk|ghp|gho|ghs|github_pat|glpat|xox[abprs]|hf|npm|pypi)[-_][A-Za-z0-9_\-]{12,}"
    # These have no dash: four letters, then sixteen.
    r"|(?-i:\b(?:AKIA|ASIA)[A-Z0-9]{16}\b)"
    r"|(?<=[?&;=\s])(?:(?:api[-_]?key|token|secret|password)=)[^\s&]+"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"
)
SECRET_OPTION = re.compile(r"(?i)--?(?:[a-z0-9-]*-)?(?:api-?key|token|secret|password|passwd)")


def masked_argv(argv: Sequence[str], prompt: str) -> tuple[str, ...]:
    """Return an argument list fit to be recorded: no keys, and the prompt by name only."""
    return tuple(_masked(argv, prompt))


def _masked(argv: Sequence[str], prompt: str) -> Iterator[str]:
    hide_next = False
    for argument in argv:
        if hide_next:
            yield "***"
            hide_next = False
            continue
        shown = argument.replace(prompt, PROMPT_MARK) if prompt else argument
        name, equals, _ = shown.partition("=")
        if SECRET_OPTION.fullmatch(name):
            yield f"{name}=***" if equals else shown
            hide_next = not equals
        else:
            yield SECRET.sub("***", shown)
