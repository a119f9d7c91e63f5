"""Hostile templates: `python -m tests.fuzz.templates` tells what becomes of each.

They run for ever, grow without end, or reach for what a sandbox keeps from them. It is meant
to be started with limits of processor time and memory.
"""

from __future__ import annotations

import json
import sys

from mosaic.errors import MissionError
from mosaic.prompts.prompt import render_template

HOSTILE_TEMPLATES = {
    "range": "{% for n in range(10 ** 9) %}{% endfor %}",
    "ranges": "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
    "number": "{{ range(10 ** 9) | list }}",
    "text": "{{ 'a' * 10 ** 9 }}",
    "list": "{{ [0] * 10 ** 9 }}",
    "power": "{{ 9 ** (9 ** 9) }}",
    "digits": "{{ 10 ** 5000 }}",
    "doubled": "{% set ns = namespace(x='a') %}"
    "{% for n in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}",
    "nested": "{% set ns = namespace(x=[1]) %}"
    "{% for n in range(99) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
    "added": "{% set ns = namespace(x=[1]) %}"
    "{% for n in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x }}",
    "replaced": "{{ ('a' * 9999) | replace('a', 'b' * 9999) }}",
    "joined": "{{ range(9999) | join('b' * 9999) }}",
    "indented": "{{ ('\\n' * 99999) | indent(10 ** 9) }}",
    "format": "{{ '%1000000000d' % 1 }}",
    "str.format": "{{ '{:>1000000000}'.format(1) }}",
    "format filter": "{{ '%1000000000d' | format(1) }}",
    "center": "{{ 'a' | center(10 ** 9) }}",
    "macro": "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
    "call": "{% macro m() %}{% call m() %}{{ caller() }}{% endcall %}{% endmacro %}{{ m() }}",
    "include": "{% include 'task.md.j2' %}",
    "import": "{% import 'task.md.j2' as t %}{{ t.x }}",
    "extends": "{% extends 'task.md.j2' %}",
    "loop": "{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    "class": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "attr": "{{ '' | attr('__class__') }}",
    "map attr": "{{ ([''] | map(attribute='__class__') | first).__mro__ }}",
    "item": "{{ ''['__class__'] }}",
    "globals": "{{ namespace.__init__.__globals__ }}",
    "self": "{{ self._TemplateReference__context }}",
    "generator": "{{ (range(3) | map('string')).gi_frame }}",
    "format escape": "{{ '{0.__class__}'.format('') }}",
    "format_map": "{{ '{a.__class__}'.format_map({'a': 1}) }}",
    "cycler": "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "lipsum": "{{ lipsum(n=10 ** 9) }}",
    "parentheses": "{{ " + "(" * 20_000 + "1" + ")" * 20_000 + " }}",
    "lists": "{{ " + "[" * 20_000 + "]" * 20_000 + " }}",
    "sum": "{{ " + "1+" * 20_000 + "1 }}",
    "not": "{{ " + "not " * 20_000 + "1 }}",
    "filters": "{{ 'a'" + " | upper" * 10_000 + " }}",
    "dots": "{{ a" + ".a" * 20_000 + " }}",
    "ifs": "{% if 1 %}" * 5_000 + "{% endif %}" * 5_000,
    "loops": "{% for a in [1] %}" * 5_000 + "{% endfor %}" * 5_000,
    "elifs": "{% if 0 %}" + "{% elif 0 %}" * 10_000 + "{% endif %}",
    "open": "{{ " * 40_000,
    "raw": "{% raw %}" * 10_000,
    "comments": "{# " * 40_000,
    "blanks": "{{ 1" + " " * 200_000 + "%}",
    "quotes": "{{ " + "'" * 99_999,
    "blocks": "".join(f"{{% block b{n} %}}{{% endblock %}}" for n in range(8_000)),
    "macros": "".join(f"{{% macro m{n}() %}}{{% endmacro %}}" for n in range(6_000)),
    "comparisons": "{{ 1" + " < 2" * 60_000 + " }}",
    "members": "{{ [" + "1," * 120_000 + "] }}",
    "outputs": "{{ 1 }}" * 35_000,
    "sets in a loop": "{% for n in range(200_000) %}" + "{% set x = n %}" * 500 + "{% endfor %}",
    "looks in a loop": "{% for n in range(200_000) %}"
    + "{% set x = loop.index %}" * 500
    + "{% endfor %}",
    "names in a loop": "{% set ns = namespace(x=1) %}{% for n in range(200_000) %}"
    + "{% set ns.x = ns.x %}" * 500
    + "{% endfor %}",
    "huge": "x" * 50_000_000,
}


def outcome(source: str) -> str:
    """Return why a template is refused, or what it writes."""
    try:
        return f"written: {render_template(source, {}, name='task.md.j2')[:200]}"
    except MissionError as error:
        return error.message


if __name__ == "__main__":
    for name, source in HOSTILE_TEMPLATES.items():
        sys.stdout.write(f"{json.dumps([name, outcome(source)])}\n")
        sys.stdout.flush()
