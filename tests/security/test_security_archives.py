"""Malicious or damaged archives are refused in one sentence, and nothing stays on disk.

Paths out of the folder, links, wrong checksums and lengths are in tests/data/corpora/test_corpora_download.py.
"""

import io
import struct
import zipfile

import pytest

from hrf_ser.data.corpora import download
from hrf_ser.data.corpora.download import FOLDER, download_ravdess
from hrf_ser.errors import UserError

SOUND = bytes(range(256)) * 8


def packed(*members, packing=zipfile.ZIP_STORED):
    """A zip archive of (name, content)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packing) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture
def fetched(tmp_path, monkeypatch):
    """``fetched(content)``: runs the download with this content as the archive."""

    def run(content):
        monkeypatch.setattr(download, "_fetch", lambda _, archive, *__: archive.write_bytes(content))
        return download_ravdess(tmp_path / "root")

    return run


def changed(content, old, new):
    assert old in content
    return content.replace(old, new)


def stated_sizes(content, size):
    """The archive with another unpacked size in both of its headers."""
    data = bytearray(content)
    for mark, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", data, data.index(mark) + place, size)
    return bytes(data)


def encrypted(content):
    data = bytearray(content)
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + place] |= 1
    return bytes(data)


WHOLE = packed(("Actor_01/a.wav", SOUND), ("Actor_01/b.wav", SOUND[::-1]))
DEFLATED = packed(("Actor_01/a.wav", SOUND), packing=zipfile.ZIP_DEFLATED)
CASES = {
    "bomb": (
        lambda: packed(("Actor_01/a.wav", bytes(10_000_000)), packing=zipfile.ZIP_DEFLATED),
        "would become 10,000,000 bytes",
    ),
    "bomb with a false size": (
        lambda: stated_sizes(packed(("Actor_01/a.wav", bytes(10_000_000)), packing=zipfile.ZIP_DEFLATED), 900),
        "is not a zip archive",
    ),
    "shorter than its header states": (lambda: stated_sizes(WHOLE, 2 * len(SOUND)), "which is shorter than it says"),
    "same name twice": (lambda: changed(WHOLE, b"b.wav", b"a.wav"), "a.wav' twice"),
    "same name in capitals": (lambda: changed(WHOLE, b"b.wav", b"A.WAV"), "A.WAV' twice"),
    "encrypted": (lambda: encrypted(WHOLE), "which is encrypted"),
    "unsupported compression": (lambda: packed(("a.wav", SOUND), packing=zipfile.ZIP_BZIP2), "packed in a way"),
    "no name": (
        lambda: changed(changed(packed(("/", b"")), b"/PK", b".PK"), b"/", b"."),
        "outside its folder|not a zip",
    ),
    "file as a folder": (lambda: packed(("a", b"1"), ("a/b", b"2")), "could not be fetched"),
    "one byte changed": (lambda: changed(WHOLE, SOUND[::-1], SOUND), "is not a zip archive"),
    "compressed data changed": (lambda: DEFLATED[:80] + b"\xff" * 40 + DEFLATED[120:], "is not a zip archive"),
    "truncated": (lambda: WHOLE[:-30], "is not a zip archive"),
    "empty": (lambda: b"", "is not a zip archive"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_malicious_or_damaged_archive_leaves_no_files(fetched, tmp_path, case):
    make, message = CASES[case]
    with pytest.raises(UserError, match=message) as caught:
        fetched(make())
    assert "\n" not in str(caught.value)
    assert [path.name for path in (tmp_path / "root").iterdir() if path.suffix != ".lock"] == []
    assert [path.name for path in tmp_path.iterdir()] == ["root"]


@pytest.mark.parametrize(("limit", "maximum"), [("_MOST_FILES", 1), ("_MOST_BYTES", 4_000)])
def test_the_number_of_files_and_bytes_is_limited(fetched, monkeypatch, limit, maximum):
    monkeypatch.setattr(download, limit, maximum)
    with pytest.raises(UserError, match=r"would become 4,096 bytes in 2 files out of"):
        fetched(WHOLE)


def test_a_valid_archive_is_unpacked_with_its_folders(fetched):
    folder = fetched(packed(("Actor_01/", b""), ("Actor_01/a.wav", SOUND), ("Actor_02/", b"")))
    assert folder.name == FOLDER
    assert (folder / "Actor_01" / "a.wav").read_bytes() == SOUND
