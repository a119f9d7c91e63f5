"""Segments made from ids, and paths held inside a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic.errors import PathOutsideError
from mosaic.machine.paths import SEGMENT_BYTES, confined, safe_segment

if TYPE_CHECKING:
    from pathlib import Path

ids = st.one_of(
    st.text(max_size=200),
    st.text(alphabet="./\\-+~ aA0\n\0:\u00e9", max_size=12),
    st.text(alphabet=st.characters(), max_size=150),
)


@pytest.mark.parametrize("plain", ["T-001", "sess-001", "r-0142", "AUTH_7", "20261120t221500-ab12"])
def test_an_ordinary_id_is_kept_as_it_is(plain: str) -> None:
    assert safe_segment(plain) == plain


@pytest.mark.parametrize(
    "strange",
    ["", ".", "..", "../x", "/etc", "-rf", ".git", "a/b", "a\\b", "a..b", "a\0b", "a\nb", "a.lock"],
)
def test_a_dangerous_id_becomes_a_harmless_segment_of_its_own(strange: str) -> None:
    segment = safe_segment(strange)
    assert segment != strange
    assert not segment.startswith((".", "-"))
    assert not set(segment) & set("/\\\0\n")


@pytest.mark.parametrize("name", ["con", "NUL", "com1", "aux.txt"])
def test_a_name_that_some_systems_reserve_is_changed(name: str) -> None:
    assert safe_segment(name) != name


@settings(deadline=None)
@given(ids)
def test_a_segment_is_always_safe_and_bounded(text: str) -> None:
    segment = safe_segment(text)
    assert 0 < len(segment.encode()) <= SEGMENT_BYTES
    assert not segment.startswith((".", "-"))
    assert ".." not in segment
    assert "/" not in segment
    assert segment.isprintable()


@settings(deadline=None)
@given(ids, ids)
def test_two_ids_never_share_a_segment(one: str, other: str) -> None:
    if one != other:
        assert safe_segment(one) != safe_segment(other)


def test_ids_that_look_alike_once_sanitised_stay_apart() -> None:
    alike = ["a/b", "a\\b", "a_b", "a:b", "a b", "a\0b", safe_segment("a/b")]
    assert len({safe_segment(text).casefold() for text in alike}) == len(alike)


def test_ids_in_mixed_case_stay_apart_where_case_does_not_count() -> None:
    alike = ["Login", "LOGIN", "LogIn", "loGin"]
    assert len({safe_segment(text).casefold() for text in alike}) == len(alike)


def test_long_ids_with_a_common_beginning_stay_apart() -> None:
    assert safe_segment("x" * 300) != safe_segment("x" * 301)


def test_a_path_inside_is_resolved(tmp_path: Path) -> None:
    assert confined(tmp_path, "tasks/../TASKS.md") == tmp_path.resolve() / "TASKS.md"
    assert confined(tmp_path, tmp_path / "a") == tmp_path.resolve() / "a"
    assert confined("/", "etc/hosts").is_absolute()


@pytest.mark.parametrize("outside", ["..", "../x", "a/../../x", "/etc/passwd", "a\0b"])
def test_a_path_that_leads_out_is_refused(tmp_path: Path, outside: str) -> None:
    with pytest.raises(PathOutsideError):
        confined(tmp_path, outside)


def test_a_sibling_whose_name_begins_alike_is_outside(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    with pytest.raises(PathOutsideError):
        confined(tmp_path / "root", "../root-2/x")


def test_a_symlink_that_leads_out_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path)
    with pytest.raises(PathOutsideError) as caught:
        confined(root, "link/secret")
    assert caught.value.detail == f"it leads to `{tmp_path.resolve() / 'secret'}`"
