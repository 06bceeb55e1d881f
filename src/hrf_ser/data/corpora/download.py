"""Checksummed download of the official RAVDESS archive."""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import stat
import urllib.request
import zipfile
from pathlib import Path, PurePosixPath

from filelock import FileLock

from hrf_ser.errors import UserError

RAVDESS_URL = "https://zenodo.org/records/1188976/files/Audio_Speech_Actors_01-24.zip"
RAVDESS_BYTES = 208_468_073
RAVDESS_MD5 = "bc696df654c87fed845eb13823edef8a"
FOLDER = "Audio_Speech_Actors_01-24"

_CHUNK = 1 << 18
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
            folder, or a full disk. Nothing half done is left behind.
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
            for member in contents.infolist():
                if not _stays_inside(member):
                    raise UserError(
                        f"{archive.name} holds {member.filename!r}, which would be written outside its folder, and "
                        f"nothing was kept: {_BY_HAND}."
                    )
            contents.extractall(folder)
    except zipfile.BadZipFile as error:
        raise UserError(f"{archive.name} is not a zip archive ({error}), and nothing was kept: {_BY_HAND}.") from error


def _stays_inside(member: zipfile.ZipInfo) -> bool:
    name = member.filename.replace("\\", "/")
    path = PurePosixPath(name)
    link = stat.S_ISLNK(member.external_attr >> 16)
    return not (link or path.is_absolute() or ".." in path.parts or ":" in name)
