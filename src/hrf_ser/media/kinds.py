"""What a file is, from its first bytes: formats that ffmpeg reads, and what is no audio at all."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

HEAD = 1_024
# Files of a folder that are recordings; any file that is named is read, whatever its suffix.
SUFFIXES = frozenset(
    (
        *(".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".aifc", ".au", ".w64", ".caf"),
        *(".m4a", ".m4b", ".mp4", ".aac", ".amr", ".awb", ".3gp", ".3ga", ".webm", ".weba", ".wma", ".mka", ".spx"),
        *(".gsm", ".qcp", ".g722"),
    )
)


@dataclass(frozen=True)
class Kind:
    """What a file is.

    Args:
        name: With its article, for messages.
        by_ffmpeg: Whether it is a container or a codec that ffmpeg reads and libsndfile does not.
        remedy: What to do about a file that is no audio.
    """

    name: str
    by_ffmpeg: bool = False
    remedy: str = "replace or remove it"


_MP4 = Kind("an MP4 or QuickTime file", True)
_MATROSKA = Kind("a WebM or Matroska file", True)
_ARCHIVE = Kind("an archive, not audio", remedy="unpack it")
_IMAGE = Kind("an image, not audio")
_WEB_PAGE = Kind("a web page, not audio", remedy="download the file again")
_DICTAPHONE = Kind("a recording of a dictaphone (DSS, DS2 or DVF)", remedy="convert it to wav with its own program")
_XML = Kind("an XML document, not audio", remedy="download the file again")
_BEGINNINGS = (
    (b"\x1a\x45\xdf\xa3", _MATROSKA),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Kind("a Windows Media file", True)),
    (b"#!AMR", Kind("an AMR file", True)),
    (b"ADIF", Kind("an AAC file", True)),
    (b"\x0b\x77", Kind("an AC-3 file", True)),
    (b"FLV\x01", Kind("a Flash video", True)),
    (b"\x00\x00\x01\xba", Kind("an MPEG video", True)),
    (b"MAC ", Kind("a Monkey's Audio file", True)),
    (b"wvpk", Kind("a WavPack file", True)),
    (b"TTA1", Kind("a True Audio file", True)),
    (b".RMF", Kind("a RealMedia file", True)),
    (b"caff", Kind("a Core Audio file with a codec that libsndfile does not read", True)),
    (b"#!SILK", Kind("a SILK recording of WeChat or QQ", remedy="convert it to wav with a SILK decoder")),
    (b"\x02#!SILK", Kind("a SILK recording of WeChat or QQ", remedy="convert it to wav with a SILK decoder")),
    *((begin, _DICTAPHONE) for begin in (b"\x02dss", b"\x03dss", b"\x03ds2", b"MS_VOICE")),
    (b"MThd", Kind("a MIDI file, not audio")),
    (b"\x93NUMPY", Kind("a NumPy array, not audio", remedy="write it as wav with soundfile.write")),
    (b"data:audio/", Kind("a data URL, not audio", remedy="decode what follows its comma from base64")),
    (b"UklGR", Kind("base64 text, not audio", remedy="decode it")),
    (b"version https://git-lfs", Kind("a Git LFS pointer, not audio", remedy="fetch the file with git lfs pull")),
    (b"/annex/objects/", Kind("a git-annex pointer, not audio", remedy="fetch the file with git annex get")),
    (b"PK\x03\x04", Kind("a zip archive, not audio", remedy="unpack it")),
    (b"\x1f\x8b", Kind("a gzip file, not audio", remedy="unpack it")),
    (b"7z\xbc\xaf\x27\x1c", _ARCHIVE),
    (b"Rar!\x1a\x07", _ARCHIVE),
    (b"BZh", _ARCHIVE),
    (b"\xfd7zXZ", _ARCHIVE),
    (b"%PDF-", Kind("a PDF document, not audio")),
    (b"\x89PNG", _IMAGE),
    (b"\xff\xd8\xff", _IMAGE),
    (b"GIF8", _IMAGE),
    (b"#EXTM3U", Kind("a playlist, not audio", remedy="give the recordings that it lists")),
    (b"[playlist]", Kind("a playlist, not audio", remedy="give the recordings that it lists")),
    (b"\x00\x05\x16\x07", Kind("a resource fork that macOS wrote, not audio", remedy="remove it")),
)
_RAW = {
    **dict.fromkeys((".pcm", ".raw", ".s16"), "-f s16le -ar 16000"),
    **dict.fromkeys((".al", ".alaw"), "-f alaw -ar 8000"),
    **dict.fromkeys((".ul", ".ulaw", ".mulaw"), "-f mulaw -ar 8000"),
}
_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
# Codecs of WAV files that libsndfile reads; an extensible header and unknown chunks are its own affair.
_WAV_CODECS = {0x0001, 0x0002, 0x0003, 0x0006, 0x0007, 0x0011, 0x0031, 0x0038, 0x0040, 0xFFFE}


def kind_of(head: bytes, name: str = "") -> Kind | None:
    """What begins with ``head``, the first ``HEAD`` bytes of a file.

    Args:
        head: fewer bytes where the file is shorter.
        name: of the file, for formats without a signature.

    Returns:
        None for what libsndfile reads or should read, and for unknown content.
    """
    if not head:
        return Kind("empty")
    for beginning, kind in _BEGINNINGS:
        if head.startswith(beginning):
            return kind
    if head[4:8] in _MP4_BOXES:
        return _MP4
    if head[257:262] == b"ustar":
        return _ARCHIVE
    return _of_riff(head) or _of_stream(head, Path(name).suffix.lower()) or _of_remains(head) or _of_text(head)


def _of_riff(head: bytes) -> Kind | None:
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return Kind("an AVI video", True)
    if head[:4] == b"RIFF" and head[8:12] == b"QLCM":
        return Kind("a QCELP recording", True)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return _IMAGE
    place = head.find(b"fmt ", 12)
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE" and 12 <= place <= len(head) - 10:
        (codec,) = struct.unpack_from("<H", head, place + 8)
        if codec not in _WAV_CODECS:
            return Kind(f"a WAV file with the codec 0x{codec:04x}", True)
    return None


def _of_stream(head: bytes, suffix: str) -> Kind | None:
    """Streams, which have no header."""
    if head[:4] == b"OggS" and any(codec in head for codec in (b"Speex  ", b"theora", b"fishead", b"\x7fFLAC")):
        return Kind("an Ogg file with Speex, FLAC or video", True)
    # ADTS: twelve bits of synchronisation, and the layer bits that MPEG audio never has at zero.
    adts = len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0
    if adts or (head[:3] == b"ID3" and suffix == ".aac"):
        return Kind("an AAC file", True)
    if len(head) > 188 and head[0] == head[188] == 0x47:
        return Kind("an MPEG transport stream", True)
    if suffix in _RAW and _of_text(head) is None and any(head):
        remedy = f"write it as wav, as ffmpeg {_RAW[suffix]} -i in{suffix} out.wav does for what it holds most often"
        return Kind("a recording without a header", remedy=remedy)
    if suffix in (".g722", ".sln") and _of_text(head) is None and any(head):
        return Kind("a recording of a telephone exchange without a header", True)
    return None


def _of_remains(head: bytes) -> Kind | None:
    if head[:7] == b"NIST_1A" and b"shorten" in head:
        return Kind("a NIST SPHERE file compressed with shorten", remedy="convert it to wav with sph2pipe")
    if len(head) >= 256 and not any(head):
        return Kind("a file of zeros, not audio", remedy="its download is not complete, fetch it again")
    return None


def _of_text(head: bytes) -> Kind | None:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    start = text[:200].lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<script", b"<!--")) or b"<html" in start:
        return _WEB_PAGE
    if start.startswith(b"<?xml"):
        return _XML
    try:
        words = text[:40].decode("utf-8", errors="ignore").splitlines()[0]
        head.decode("ascii")
    except (UnicodeDecodeError, IndexError):
        return None
    if any(byte < 0x20 and byte not in b"\t\n\r\f" for byte in head):
        return None
    if text[:1] in (b"{", b"["):
        return Kind("a JSON text, not audio", remedy="it may be the error message of a server, download it again")
    return Kind(f"a text that begins with {words!r}, not audio")
