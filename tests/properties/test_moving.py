"""Whatever text is imported: it stands before the handoff and says nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mosaic.sources.item import Item, with_kept, without_kept
from mosaic.sources.values import EMPTY_HANDOFF, embedded, text_here
from mosaic.text.harmless import harmless_text
from mosaic.text.sections import HANDOFF_SECTIONS, find_sections

LINES = st.sampled_from(
    """``` ~~~~ ##_result ##_decisions #_T notes ----- ==== <!-- --> <pre> </pre> <script> -_[_]_a
    __``` >_``` -_~~~ --- text ##_imported¦fields -_a:_1 ____##_notes <? <![CDATA[ |_a_|_b_| \\ _
    """.split()
).map(lambda line: line.replace("_", " ").replace("¦", "_"))
TEXTS = st.one_of(
    st.lists(LINES, max_size=12).map("\n".join), st.text(max_size=60).map(harmless_text)
).map(str.strip)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


@given(TEXTS)
def test_a_text_never_reaches_the_handoff(text: str) -> None:
    kept = embedded(text, is_section=False)
    file = f"# T-1 title\n\n{kept}{EMPTY_HANDOFF}"
    own = [each for each in find_sections(file) if each.name in (*HANDOFF_SECTIONS, "decisions")]
    assert [(each.name, each.content) for each in own] == [(n, "") for n in HANDOFF_SECTIONS]
    start, end = text_here(file)
    assert file[start:end] == kept
    assert embedded(kept, is_section=False) == kept


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), JSON, max_size=4))
def test_what_has_no_place_comes_back(left: dict[str, object]) -> None:
    item = Item(key="a", title="A", text="Words", left=left)  # type: ignore[arg-type]
    assert without_kept(with_kept(item)) == ("Words", left)
