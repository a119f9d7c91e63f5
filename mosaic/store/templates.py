"""Finding templates: the project's own first, then those that come with Mosaic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.errors import TemplateError
from mosaic.machine.disk import find_text
from mosaic.machine.paths import confined
from mosaic.records import dataclass

if TYPE_CHECKING:
    from jinja2 import BytecodeCache

    from mosaic.store.layout import Layout

PACKAGE = Path(__file__).resolve().parents[1]
BUILT_IN_PLACES = (PACKAGE / "templates", PACKAGE.parent / "templates")
"""In a wheel, templates are inside the package; in a clone, beside it."""
LARGEST_FILE = 1 << 20
"""Bytes of a template's file; what it may hold is bounded by `render_template`."""
MOST_PARTIALS = 100


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


def compiled_templates() -> BytecodeCache | None:
    """Return where templates are kept in compiled form; None where they are not."""
    from mosaic.store.compiled_templates import CompiledTemplates  # start-up: jinja2

    try:
        return CompiledTemplates(BUILT_IN_PLACES)
    except OSError:
        return None  # installed where modules have no files


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
