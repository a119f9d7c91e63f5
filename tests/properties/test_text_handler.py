"""What is looked at before front matter is built is not skipped where it could be needed."""

from __future__ import annotations

import yaml
from hypothesis import event, example, given
from hypothesis import strategies as st

from mosaic.errors import FrontMatterError
from mosaic.text.yaml_faults import may_hold_references, refuse_references

PIECES = st.sampled_from(
    (
        "a", "b: ", "- ", "? ", ": ", "  ", "\n", "\r", "\x85", "\u2028", "\t", "[", "]", "{", "}",
        ",", '"a"', "'b'", "&x ", "*x", "!t ", "!!str ", "!<t> ", "|\n", ">-\n", "#", "/", "**",
        ".", "+", "<<: ", "a:\n   ", "é", "\ufeff", "%", "---",
    )
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=40).map("".join)
NESTED = "".join(f"{' ' * depth}a:\n" for depth in range(30))


@given(TEXTS)
@example(NESTED)
@example(NESTED.replace("\n", "\r"))
@example(NESTED.replace("\n", "\x85"))
@example(NESTED.replace("\n", "\u2028"))
@example("- " * 30)
@example("a: " + "[" * 30 + "]" * 30)
@example('{"a":&x b, "c":*x}')
def test_what_would_be_refused_is_suspected(source: str) -> None:
    if may_hold_references(source):
        event("suspected")
        return
    try:
        refuse_references(yaml.parse(source, Loader=yaml.CSafeLoader), 1)
    except FrontMatterError:
        raise AssertionError(source) from None
    except yaml.YAMLError:
        event("not YAML")
    else:
        event("harmless")
