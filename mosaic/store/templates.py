"""Finding templates: the project's own first, then those that come with Mosaic."""

from __future__ import annotations

import contextlib
import marshal
import os
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic import __version__
from mosaic.errors import MissionError, TemplateError
from mosaic.machine.disk import find_text, write_atomic
from mosaic.machine.paths import confined
from mosaic.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from types import CodeType

    from mosaic.store.layout import Layout

PACKAGE = Path(__file__).resolve().parents[1]
BUILT_IN_PLACES = (PACKAGE / "templates", PACKAGE.parent / "templates")
"""In a wheel, templates are inside the package; in a clone, beside it."""
LARGEST_FILE = 1 << 20
"""Bytes of a template's file; what it may hold is bounded by `render_template`."""
MOST_PARTIALS = 100
PROMPTS = ("continuation.md.j2", "resume.md.j2")
"""Those that are kept in compiled form, with the parts that they include."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """A template's text and where it came from."""

    name: str
    path: Path
    source: str

    @property
    def digest(self) -> str:
        """SHA-256 of the source."""
        from hashlib import sha256  # start-up: a preview needs none

        return sha256(self.source.encode()).hexdigest()


def load_template(name: str, layout: Layout | None = None) -> Template:
    """Return the template of this name."""
    places = [place / name for place in BUILT_IN_PLACES]
    if layout is not None:
        places.insert(0, confined(layout.templates_dir, name))
    for path in places:
        file = find_text(path, limit_bytes=LARGEST_FILE)
        if file is not None:
            return Template(name=name, path=path, source=file.text)
    raise TemplateError(f"there is no template `{name}`", hint="install Mosaic again")


def compiled_templates(wanted: Collection[str]) -> Mapping[str, CodeType]:
    """Return our own prompts in compiled form by their source, with those wanted that are ours.

    Compiling takes Jinja longer than rendering, so they are kept where Python keeps compiled
    modules: who can write there can change Mosaic itself. Nothing of a project is among them.
    The file is that of `kept_templates`, so that it is removed where Mosaic is.
    """
    cached = Path(str(__spec__.cached))
    path = cached.with_name(f"kept_{cached.name}")
    codes: dict[str, CodeType] = {}
    try:
        made_by = _compilers()
        data = path.read_bytes() if path.is_file() else b""
    except OSError:
        return {}  # installed where modules have no files
    with contextlib.suppress(ValueError, EOFError, TypeError):
        maker, kept = marshal.loads(data)  # noqa: S302 - as trusted as a module
        codes = kept if maker == made_by else {}
    if codes.keys() >= set(wanted):
        return codes
    names = [*load_partials(), *PROMPTS]
    sources = {name: load_template(name).source for name in names}
    if codes.keys() >= set(sources.values()):
        return codes
    from mosaic.prompts.sandbox import compile_template  # start-up: jinja2

    codes = {source: compile_template(name, source) for name, source in sources.items()}
    if not sys.dont_write_bytecode:
        with contextlib.suppress(OSError, MissionError):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, marshal.dumps((made_by, codes)), root=path.parent)
    return codes


def _compilers() -> str:
    """Return what compiled templates depend on beside their source."""
    jinja = PathFinder.find_spec("jinja2")
    jinja_file = jinja.origin if jinja and jinja.origin else ""
    files = (f"{os.path.dirname(jinja_file)}/compiler.py", f"{PACKAGE}/prompts/sandbox.py")
    made = [(found.st_mtime_ns, found.st_size) for found in map(os.stat, files)]
    return f"{__version__} {sys.hexversion} {made}"


def load_partials(layout: Layout | None = None) -> dict[str, str]:
    """Return the parts that templates include: those whose names begin with `_`.

    A project's own part of the same name wins, and it may add others.
    """
    folders = [place for place in BUILT_IN_PLACES if place.is_dir()][:1]
    if layout is not None and layout.templates_dir.is_dir():
        folders.append(layout.templates_dir)
    names = sorted({path.name for folder in folders for path in folder.glob("_*.j2")})
    if len(names) > MOST_PARTIALS:
        raise TemplateError(
            f"there are {len(names)} templates to include, more than {MOST_PARTIALS}",
            path=folders[-1],
            hint="remove those whose names begin with `_` that no template includes",
        )
    return {name: load_template(name, layout).source for name in names}
