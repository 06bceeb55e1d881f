"""Corrupt valid files: transmission errors, spreadsheet edits, other versions and attacks."""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Sequence
from typing import Any

HUGE_LINE = 200_000
DEEP = 100_000
# Replacements of numbers.
NUMBERS = (
    *(b"0", b"-1", b"-0", b"1.5", b"1e999", b"-1e999", b"1e308", b"1e-320", b"nan", b"NaN", b"inf", b"Infinity"),
    *(
        b"-Infinity",
        b"4294967296",
        b"18446744073709551616",
        b"9" * 400,
        b"9" * 5_000,
        b"0x10",
        b"1_000",
        b"1,5",
        b"",
        b"True",
    ),
    *("\N{ARABIC-INDIC DIGIT THREE}".encode(), "\N{SUPERSCRIPT TWO}".encode()),
)
# Insertions into text.
PIECES = (
    *(
        b"\0",
        b"\0" * 64,
        b"\xff",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
        b"\r",
        b"\n\n",
        b"\t",
        b'"',
        b"'",
        b",",
        b";",
        b"\\",
    ),
    *(b"\x1b[2J", b"\x1a", "\N{LINE SEPARATOR}\N{NEXT LINE}\N{RIGHT-TO-LEFT OVERRIDE}".encode(), b"%s%n", b"C:\\NUL"),
    *(b"../../../../etc/passwd", b"/etc/passwd", b"~nobody/x", b"<script>alert(1)</script>", b"=cmd|'/c calc'!A1"),
    *(b"${oc.env:HOME}", b"!!python/object/apply:os.system ['true']", b"&a [*a]", b'{"_target_": "os.system"}'),
)
LENGTHS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 1_000_000, 10**9, 2**63, -(10**30), 10**400, 1e308, 1e-300),
    *(float("nan"), float("inf"), -float("inf"), "", "x" * 10_000, "\0", "\ud800", "nan", "../../etc/passwd"),
    *("<script>alert(1)</script>", "a\nb\x1b[2J", [], {}, [[]], [0] * 1_000),
    {"_target_": "os.system", "_args_": ["true"]},
)


def mutate(seeds: Sequence[bytes], rng: random.Random, text: bool) -> bytes:
    """Corrupt a valid file by one to four mutations.

    Args:
        seeds: valid files of one kind.
        rng: source of all randomness.
        text: also mutate lines, cells, numbers and encodings.
    """
    data = bytearray(rng.choice(seeds))
    if rng.random() < 0.01:
        return rng.randbytes(rng.randrange(2_000))
    changes = (*_OF_BYTES, *(_OF_TEXT * 2 if text else ()))
    for _ in range(rng.choice((1, 1, 2, 4))):
        data = rng.choice(changes)(data, rng, seeds)
    return bytes(data)


def mutate_json(value: Any, rng: random.Random) -> bytes:
    """Replace, rename or remove one to three entries of a JSON document."""
    changed = json.loads(json.dumps(value))
    for _ in range(rng.choice((1, 1, 2, 3))):
        holders = list(_holders(changed))
        if not holders:
            break
        holder = rng.choice(holders)
        key = rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        how = rng.random()
        if how < 0.12:
            del holder[key]
        elif how < 0.24 and isinstance(holder, dict):
            holder[rng.choice(("", "\0", "x" * 300, "_target_", "\ud800", "a/../b", "9" * 5_000))] = holder.pop(key)
        elif how < 0.34:
            holder[key] = [holder[key]] * rng.choice((1, 2, 300))
        else:
            holder[key] = copy.deepcopy(rng.choice(VALUES))
    return json.dumps(changed).encode()


def _holders(value: Any) -> Any:
    if isinstance(value, dict | list):
        if value:
            yield value
        for child in value.values() if isinstance(value, dict) else value:
            yield from _holders(child)


def _place(data: bytearray, rng: random.Random) -> int:
    # Half of the mutations hit the header, which has most effect.
    return rng.randrange(min(len(data), 200) if rng.random() < 0.5 else len(data)) if data else 0


def _flip(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> bytearray:
    for _ in range(rng.choice((1, 1, 4, 16)) if data else 0):
        data[_place(data, rng)] ^= 1 << rng.randrange(8)
    return data


def _truncate(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> bytearray:
    return data[: _place(data, rng)]


def _behead(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> bytearray:
    return data[_place(data, rng) :]


def _cut(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> bytearray:
    start = _place(data, rng)
    return data[:start] + data[start + rng.randrange(1, 100) :]


def _double(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> bytearray:
    start = _place(data, rng)
    piece = data[start : start + rng.randrange(1, 400)]
    return data[:start] + piece * rng.choice((2, 2, 50)) + data[start:]


def _splice(data: bytearray, rng: random.Random, seeds: Sequence[bytes]) -> bytearray:
    other = bytearray(rng.choice(seeds))
    return data[: _place(data, rng)] + other[_place(other, rng) :]


def _insert(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> bytearray:
    place = _place(data, rng)
    return data[:place] + rng.choice(PIECES) + data[place:]


def _overwrite_length(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> bytearray:
    """Overwrite a length, count or rate in a header with an extreme value."""
    size = rng.choice((1, 2, 4, 4, 8))
    value = rng.choice(LENGTHS) & ((1 << 8 * size) - 1)
    place = _place(data, rng)
    data[place : place + size] = value.to_bytes(size, rng.choice(("little", "big")))
    return data


def _noise(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> bytearray:
    place, size = _place(data, rng), rng.randrange(1, 64)
    data[place : place + size] = rng.randbytes(size)
    return data


def _number(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> bytearray:
    found = list(re.finditer(rb"-?\d+(?:\.\d+)?(?:e-?\d+)?", bytes(data[: 1 << 16])))
    if not found:
        return data
    one = rng.choice(found)
    return data[: one.start()] + rng.choice(NUMBERS) + data[one.end() :]


def _lines(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> bytearray:
    lines = bytes(data).split(b"\n")
    place = rng.randrange(len(lines))
    change = rng.randrange(5)
    if change == 0:
        lines.insert(place, lines[place])
    elif change == 1:
        del lines[place]
    elif change == 2:
        rng.shuffle(lines)
    elif change == 3:
        lines[place] = lines[place] * (1 + HUGE_LINE // (len(lines[place]) + 1))
    else:
        lines[place] += rng.choice((b" ", b"\t", b"(", b",", b"a", b'"')) * rng.choice((100, 5_000, HUGE_LINE))
    return bytearray(b"\n".join(lines))


def _cells(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> bytearray:
    """Replace or remove a cell, or change the separator."""
    mark = rng.choice((b",", b"\t", b":", b" "))
    if rng.random() < 0.2:
        return bytearray(bytes(data).replace(mark, rng.choice((b";", b"\t", b",", b"|"))))
    lines = bytes(data).split(b"\n")
    place = rng.randrange(len(lines))
    cells = lines[place].split(mark)
    cell = rng.randrange(len(cells))
    cells[cell] = rng.choice((b"", cells[0], cells[-1], *rng.sample(PIECES, 4), *rng.sample(NUMBERS, 4)))
    if rng.random() < 0.2:
        del cells[cell]
    lines[place] = mark.join(cells)
    return bytearray(b"\n".join(lines))


def _encoding(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> bytearray:
    text = bytes(data).decode("utf-8", errors="replace")
    if rng.random() < 0.3:
        return bytearray(text.replace("\n", rng.choice(("\r\n", "\r", "\N{LINE SEPARATOR}"))).encode())
    encoding = rng.choice(("utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252", "gbk"))
    return bytearray(text.encode(encoding, errors="replace"))


def _nest(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> bytearray:
    place = _place(data, rng)
    return data[:place] + rng.choice((b"[", b'{"a":', b"(", b"- ", b"{a: ")) * rng.choice((50, DEEP)) + data[place:]


_OF_BYTES = (_flip, _flip, _truncate, _behead, _cut, _double, _splice, _insert, _overwrite_length, _noise)
_OF_TEXT = (_number, _number, _lines, _cells, _cells, _encoding, _nest, _insert)
