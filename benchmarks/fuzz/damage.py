"""What may happen to a file: it is cut, bits flip, a disk gives back zeros, a copy goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

Damage = Callable[[bytes, Random], bytes]


def truncate(whole: bytes, draw: Random) -> bytes:
    """Cut the end off."""
    return whole[: draw.randrange(len(whole))]


def flip_bits(whole: bytes, draw: Random) -> bytes:
    """Flip one bit, or a few."""
    damaged = bytearray(whole)
    for _ in range(draw.choice((1, 1, 1, 2, 8, 64))):
        damaged[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
    return bytes(damaged)


def zero_block(whole: bytes, draw: Random) -> bytes:
    """Put zeros in the place of a block."""
    start, length = draw.randrange(len(whole)), draw.choice((4, 64, 512, 4096))
    return whole[:start] + bytes(len(whole[start : start + length])) + whole[start + length :]


def insert_garbage(whole: bytes, draw: Random) -> bytes:
    """Insert random bytes."""
    start = draw.randrange(len(whole) + 1)
    return whole[:start] + draw.randbytes(draw.choice((1, 8, 200))) + whole[start:]


def overwrite_block(whole: bytes, draw: Random) -> bytes:
    """Put random bytes in the place of a block."""
    start, length = draw.randrange(len(whole)), draw.choice((2, 16, 256))
    return whole[:start] + draw.randbytes(len(whole[start : start + length])) + whole[start + length :]


def remove_block(whole: bytes, draw: Random) -> bytes:
    """Leave a block out."""
    start = draw.randrange(len(whole))
    return whole[:start] + whole[start + draw.choice((1, 16, 512)) :]


def repeat_block(whole: bytes, draw: Random) -> bytes:
    """Write a block twice."""
    start, length = draw.randrange(len(whole)), draw.choice((1, 16, 512))
    return whole[: start + length] + whole[start:]


DAMAGES: dict[str, Damage] = {
    "truncated": truncate,
    "bits flipped": flip_bits,
    "block zeroed": zero_block,
    "garbage inserted": insert_garbage,
    "block overwritten": overwrite_block,
    "block removed": remove_block,
    "block repeated": repeat_block,
}
RARE = ("empty", "another file", "gone")


def damage_file(path: Path, others: list[Path], draw: Random, *, may_go: bool = True) -> str:
    """Damage a file in place, and return how; now and then it is emptied, exchanged for another kind, or removed.

    may_go: False where a file that is not there is nothing wrong.
    """
    whole = path.read_bytes()
    name = draw.choice((*DAMAGES, *DAMAGES, *RARE))
    if name in DAMAGES and whole:
        path.write_bytes(DAMAGES[name](whole, draw))
    elif name == "another file" and (kinds := [other for other in others if other.suffix != path.suffix]):
        path.write_bytes(draw.choice(kinds).read_bytes())
    elif name == "gone" and may_go:
        path.unlink()
    else:
        name = "empty"
        path.write_bytes(b"")
    return name
