"""How much of a template is compiled and rendered: counted in parts, not in seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from mosaic.errors import FileAccessError, TemplateError
from mosaic.prompts.prompt import render_template
from mosaic.prompts.sandbox import MOST_PARTS
from mosaic.store.layout import default_layout
from mosaic.store.templates import LARGEST_FILE, MOST_PARTIALS, load_partials, load_template

OUTPUT_PARTS = 3
"""`{{`, what is written, `}}`."""


def render(source: str, **partials: str) -> str:
    named = {f"{name}.j2": text for name, text in partials.items()}
    return render_template(source, {}, name="task.md.j2", partials=named)


def test_a_template_of_many_parts_is_refused_where_it_goes_too_far() -> None:
    fits = MOST_PARTS // OUTPUT_PARTS
    assert render("{{ 1 }}" * fits) == "1" * fits
    with pytest.raises(TemplateError) as caught:
        render("\n" + "{{ 1 }}\n" * (MOST_PARTS // 2))
    assert caught.value.path == "task.md.j2"
    assert caught.value.line is not None
    assert caught.value.line < MOST_PARTS // 2
    assert f"more than {MOST_PARTS} tags" in str(caught.value.detail)


def test_what_is_included_counts_once_and_is_named() -> None:
    part = "{{ 1 }}" * (MOST_PARTS // 7)
    assert len(render("{% include 'a.j2' %}" * 3, a=part)) == len(part) // len("{{ 1 }}") * 3
    with pytest.raises(TemplateError) as caught:
        render(
            "{% include 'a.j2' %}{% include 'b.j2' %}{% include 'c.j2' %}", a=part, b=part, c=part
        )
    assert caught.value.path == "c.j2"


@pytest.mark.parametrize(
    "statement", ["{% set x = n %}", "{% set x = loop.index %}", "{% if n %}{% endif %}"]
)
def test_each_turn_of_a_loop_costs_what_stands_in_it(statement: str) -> None:
    loop = "{{% for n in range({0}) %}}" + statement.replace("{", "{{").replace("}", "}}") * 300
    loop += "{{% endfor %}}"
    assert render(loop.format(20)).strip() == ""
    with pytest.raises(TemplateError, match="does too much"):
        render(loop.format(20_000))


def test_a_file_that_no_template_can_be_is_not_read(tmp_path: Path) -> None:
    layout = default_layout(tmp_path)
    layout.templates_dir.mkdir(parents=True)
    (layout.templates_dir / "task.md.j2").write_text("x" * (LARGEST_FILE + 1))
    with pytest.raises(FileAccessError, match="too large") as caught:
        load_template("task.md.j2", layout)
    assert "task.md.j2" in str(caught.value.path)


def test_parts_without_number_are_refused(tmp_path: Path) -> None:
    layout = default_layout(tmp_path)
    layout.templates_dir.mkdir(parents=True)
    for number in range(MOST_PARTIALS):
        (layout.templates_dir / f"_part{number}.j2").write_text("x")
    with pytest.raises(TemplateError, match=f"more than {MOST_PARTIALS}"):
        load_partials(layout)
