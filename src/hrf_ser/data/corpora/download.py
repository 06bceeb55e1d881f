"""Checksummed download of the official RAVDESS archive."""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import stat
import struct
import urllib.request
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import NoReturn

from filelock import FileLock

from hrf_ser.errors import UserError

RAVDESS_URL = "https://zenodo.org/records/1188976/files/Audio_Speech_Actors_01-24.zip"
RAVDESS_BYTES = 208_468_073
RAVDESS_MD5 = "bc696df654c87fed845eb13823edef8a"
FOLDER = "Audio_Speech_Actors_01-24"

_CHUNK = 1 << 18
# Of what an archive may become: RAVDESS is 1,440 files of 0.6 GB, and sound packs to a third.
_MOST_FILES, _MOST_BYTES, _MOST_RATIO = 20_000, 4 << 30, 100
_SILENCE_S = 60  # a server that sends nothing for so long is given up
_BY_HAND = "download it by hand from https://zenodo.org/records/1188976 and point data.root at the unpacked folder"


def download_ravdess(root: Path, *, url: str = RAVDESS_URL, size: int = RAVDESS_BYTES, md5: str = RAVDESS_MD5) -> Path:
    """Fetch and unpack RAVDESS into ``root/Audio_Speech_Actors_01-24``, which then stands complete or not at all.

    Of several processes that start at once, one downloads and the others wait for it.

    Args:
        root: Folder to download into; made if absent.
        url: Address of the archive.
        size: Length of the archive in bytes.
        md5: Checksum of the archive.

    Returns:
        The folder that holds ``Actor_NN``.

    Raises:
        UserError: Unreachable address, broken transfer, wrong length or checksum, an archive that writes outside its
            folder, is encrypted, damaged, or becomes far larger than it is, or a full disk. Nothing half done is left
            behind.
    """
    target, archive, partial = root / FOLDER, root / f".{FOLDER}.zip.partial", root / f".{FOLDER}.partial"
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / f".{FOLDER}.lock"):
            if target.is_dir():
                return target
            try:
                _fetch(url, archive, size, md5)
                _unpack(archive, partial)
                os.replace(partial, target)
            finally:
                archive.unlink(missing_ok=True)
                shutil.rmtree(partial, ignore_errors=True)
    except (OSError, http.client.HTTPException) as error:  # URLError and time-outs are OSErrors
        raise UserError(
            f"{url} could not be fetched into data.root={root} ({error}): try again, or {_BY_HAND}."
        ) from error
    return target


def _fetch(url: str, archive: Path, size: int, md5: str) -> None:
    # Imported here because reading a corpus that is on disk needs no progress bar.
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    digest, received = hashlib.md5(usedforsecurity=False), 0
    with (
        urllib.request.urlopen(url, timeout=_SILENCE_S) as response,
        archive.open("wb") as file,
        Progress(*columns, console=Console(stderr=True)) as progress,
    ):
        task = progress.add_task(PurePosixPath(url).name, total=size)
        while received <= size and (chunk := response.read(_CHUNK)):  # a longer body is wrong: do not fill the disk
            file.write(chunk)
            digest.update(chunk)
            received += len(chunk)
            progress.update(task, completed=received)
    if received != size:
        more = " and more" if received > size else ""
        raise UserError(
            f"{url} sent {received:,} bytes{more} instead of {size:,}, and nothing was kept: try again, or {_BY_HAND}."
        )
    if digest.hexdigest() != md5:
        raise UserError(
            f"{url} has the md5 checksum {digest.hexdigest()} instead of {md5}, and nothing was kept: try again, or "
            f"{_BY_HAND}."
        )


def _unpack(archive: Path, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)  # what a killed process left
    try:
        with zipfile.ZipFile(archive) as contents:
            members = contents.infolist()
            _check(archive, members)
            folder.mkdir()
            for member in members:
                if member.is_dir():
                    continue
                path = folder / member.filename
                path.parent.mkdir(parents=True, exist_ok=True)
                _copy(archive, contents, member, path)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, struct.error) as error:
        raise UserError(f"{archive.name} is not a zip archive ({error}), and nothing was kept: {_BY_HAND}.") from error


def _check(archive: Path, members: list[zipfile.ZipInfo]) -> None:
    """Refuse an archive by its table of contents, before anything is written."""
    seen: set[str] = set()
    for member in members:
        if not _stays_inside(member):
            _refuse(archive, f"holds {member.filename!r}, which would be written outside its folder")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            _refuse(archive, f"holds {member.filename!r}, which is packed in a way that the original is not")
        if member.flag_bits & 1:
            _refuse(archive, f"holds {member.filename!r}, which is encrypted")
        # File systems that do not tell cases apart would write one over the other.
        name = member.filename.rstrip("/").casefold()
        if name in seen:
            _refuse(archive, f"holds {member.filename!r} twice")
        seen.add(name)
    size = sum(member.file_size for member in members)
    packed = archive.stat().st_size
    if len(members) > _MOST_FILES or size > _MOST_BYTES or size > _MOST_RATIO * packed:
        _refuse(archive, f"would become {size:,} bytes in {len(members):,} files out of {packed:,}")


def _copy(archive: Path, contents: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> None:
    """Write one file. The module gives no more of it than the table of contents states, and checks its sum at the end."""
    with contents.open(member) as packed, path.open("xb") as file:
        shutil.copyfileobj(packed, file, _CHUNK)
    if path.stat().st_size != member.file_size:
        _refuse(archive, f"holds {member.filename!r}, which is shorter than it says")


def _refuse(archive: Path, why: str) -> NoReturn:
    raise UserError(f"{archive.name} {why}, and nothing was kept: {_BY_HAND}.")


def _stays_inside(member: zipfile.ZipInfo) -> bool:
    name = member.filename.replace("\\", "/")
    path = PurePosixPath(name)
    link = stat.S_ISLNK(member.external_attr >> 16)
    return bool(path.parts) and not (link or path.is_absolute() or ".." in path.parts or ":" in name or "\0" in name)
