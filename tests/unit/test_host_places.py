"""What a host is reached by: a machine over SSH, or a fleet."""

from __future__ import annotations

import pytest

from mosaic.plan.hosts import parse_host
from mosaic.remote.on_fleet import key_of, run_of_key


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "neither an address nor a scheduler"),
        ({"address": "me@box", "scheduler": "tcp://gate:8786"}, "both an address and a scheduler"),
        ({"scheduler": "gate:8786"}, "has the scheduler `gate:8786`"),
        ({"scheduler": "tcp://me@gate:8786"}, "has the scheduler"),
        ({"scheduler": "file.json"}, "has the scheduler"),
        ({"scheduler": "/tmp/a\nb.json"}, "has the scheduler"),
    ],
)
def test_a_host_is_reached_in_one_way(values: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_host("there", values)


@pytest.mark.parametrize(
    "scheduler", ["tcp://10.0.0.1:8786", "tls://gate.example:8786", "~/scheduler.json", "/srv/a b"]
)
def test_a_fleet_is_named_as_dask_does(scheduler: str) -> None:
    assert parse_host("there", {"scheduler": scheduler}).where == scheduler


def test_a_run_is_known_by_the_key_of_its_task() -> None:
    assert run_of_key(key_of("r001-2547cc", "ab12")) == "r001-2547cc"
