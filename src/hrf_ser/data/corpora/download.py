"""Checksummed download of the official RAVDESS archive."""

from __future__ import annotations

import hashlib
import http.client
import stat
import struct
import urllib.request
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import NoReturn

from filelock import FileLock

from hrf_ser.errors import UserError
from hrf_ser.files import new_folder, remove_leftovers

RAVDESS_URL = "https://zenodo.org/records/1188976/files/Audio_Speech_Actors_01-24.zip"
RAVDESS_BYTES = 208_468_073
RAVDESS_MD5 = "bc696df654c87fed845eb13823edef8a"
FOLDER = "Audio_Speech_Actors_01-24"

_CHUNK = 1 << 18
# Of what an archive may become: RAVDESS is 1,440 files of 0.6 GB, and sound packs to a third.
_MOST_FILES, _MOST_BYTES, _MOST_RATIO = 20_000, 4 << 30, 100
_TIMEOUT_S = 60
_BY_HAND = "download it by hand from https://zenodo.org/records/1188976 and point data.root at the unpacked folder"


def download_ravdess(root: Path, *, url: str = RAVDESS_URL, size: int = RAVDESS_BYTES, md5: str = RAVDESS_MD5) -> Path:
    """Fetch and unpack RAVDESS into ``root/Audio_Speech_Actors_01-24``, whole or not at all, and return that folder.

    Concurrent processes wait for the one that downloads.

    Args:
        root: Folder to download into; made if absent.
        url: Address of the archive.
        size: Length of the archive in bytes.
        md5: Checksum of the archive.

    Raises:
        UserError: Unreachable address, broken transfer, wrong length or checksum, an archive that writes outside its
            folder, is encrypted, damaged, or becomes far larger than it is, or a full disk.
    """
    target = root / FOLDER
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / f".{FOLDER}.lock"):
            if target.is_dir():
                return target
            remove_leftovers(root, FOLDER)
            with new_folder(target) as folder:
                archive = folder / PurePosixPath(url).name
                _fetch(url, archive, size, md5)
                _unpack(archive, folder)
                archive.unlink()
    except (OSError, http.client.HTTPException) as error:  # URLError and time-outs are OSErrors
        raise UserError(
            f"{url} could not be fetched into data.root={root} ({error}): try again, or {_BY_HAND}."
        ) from error
    return target


def _fetch(url: str, archive: Path, size: int, md5: str) -> None:
    # Imported here because reading a corpus that is on disk needs no progress bar.
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress, TransferSpeedColumn

    columns = (*Progress.get_default_columns(), DownloadColumn(), TransferSpeedColumn())
    digest, received = hashlib.md5(usedforsecurity=False), 0
    with (
        urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response,
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
    try:
        with zipfile.ZipFile(archive) as contents:
            members = contents.infolist()
            _check(archive, members)
            for member in members:
                # The module reads no more than the table of contents states, and checks the checksum at the end.
                path = Path(contents.extract(member, folder))
                if not member.is_dir() and path.stat().st_size != member.file_size:
                    _refuse(archive, f"holds {member.filename!r}, which is shorter than it says")
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, struct.error) as error:
        raise UserError(f"{archive.name} is not a zip archive ({error}), and nothing was kept: {_BY_HAND}.") from error


def _check(archive: Path, members: list[zipfile.ZipInfo]) -> None:
    """Refuse an archive by its table of contents, before anything is written."""
    seen = {archive.name.casefold()}
    for member in members:
        if not _stays_inside(member):
            _refuse(archive, f"holds {member.filename!r}, which would be written outside its folder")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            _refuse(archive, f"holds {member.filename!r}, which is packed in a way that the original is not")
        if member.flag_bits & 1:
            _refuse(archive, f"holds {member.filename!r}, which is encrypted")
        # File systems that do not tell cases apart would write one over the other.
        name = str(PurePosixPath(member.filename)).casefold()
        if name in seen:
            _refuse(archive, f"holds {member.filename!r} twice")
        seen.add(name)
    size = sum(member.file_size for member in members)
    packed = archive.stat().st_size
    if len(members) > _MOST_FILES or size > _MOST_BYTES or size > _MOST_RATIO * packed:
        _refuse(archive, f"would become {size:,} bytes in {len(members):,} files out of {packed:,}")


def _refuse(archive: Path, why: str) -> NoReturn:
    raise UserError(f"{archive.name} {why}, and nothing was kept: {_BY_HAND}.")


def _stays_inside(member: zipfile.ZipInfo) -> bool:
    name = member.filename.replace("\\", "/")
    path = PurePosixPath(name)
    link = stat.S_ISLNK(member.external_attr >> 16)
    return bool(path.parts) and not (link or path.is_absolute() or ".." in path.parts or ":" in name or "\0" in name)
