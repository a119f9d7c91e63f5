"""Seeded mutation of known inputs; it is not guided by coverage."""

from __future__ import annotations

from random import Random

MOST_BYTES = 4096


def mutated(dice: Random, seeds: tuple[bytes, ...]) -> bytes:
    """Return one input made from the seeds by a few random edits."""
    data = bytearray(dice.choice(seeds))
    for _ in range(dice.randint(1, 6)):
        place = dice.randint(0, len(data))
        piece = bytes(dice.choice(seeds))
        start = dice.randrange(len(piece))
        taken = piece[start : start + dice.randint(1, 24)]
        match dice.randrange(4):
            case 0:
                data[place : place + dice.randint(1, 8)] = b""
            case 1:
                data[place:place] = taken * dice.choice((1, 1, 2, 20))
            case 2:
                data[place : place + 1] = bytes([dice.randrange(256)])
            case _:
                data[place:place] = dice.choice(
                    (
                        b"\n",
                        b"\r\n",
                        b"---\n",
                        b"## ",
                        b"```\n",
                        b": ",
                        b"&a ",
                        b"*a",
                        b"[",
                        b"{",
                        b'"',
                        b"\x1b",
                        b"\xc2\x85",
                    )
                )
    return bytes(data[:MOST_BYTES])
