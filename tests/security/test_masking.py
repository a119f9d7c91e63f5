"""Keys in the arguments of an agent never reach its record."""

from __future__ import annotations

import pytest

from mosaic.runs.masking import masked_argv

KEYS = {
    "cloud": "AKIA" + "IOSFODNN7EXAMPLE",
    "cloud, for a while": "ASIA" + "IOSFODNN7EXAMPLE",
    "model": "sk-" + "abcdefghijklmnop",
    "code host": "ghp_" + "abcdefghijklmnopqrst",
}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize("before", ["", "KEY=", "use "])
def test_a_key_of_a_known_form_is_masked(key: str, before: str) -> None:
    shown = masked_argv(["agent", f"{before}{key}"], "")
    assert shown == ("agent", f"{before}***")


@pytest.mark.parametrize("option", ["--api-key", "--token", "--my-secret", "--password"])
def test_what_follows_a_secret_option_is_masked(option: str) -> None:
    assert masked_argv([option, "plain", "kept"], "") == (option, "***", "kept")
    assert masked_argv([f"{option}=plain", "kept"], "") == (f"{option}=***", "kept")


def test_a_word_that_only_begins_like_a_key_is_kept() -> None:
    words = ("AKIAB", "task-1", "scopes/skeleton", "ASIAN")
    assert masked_argv(words, "") == words
