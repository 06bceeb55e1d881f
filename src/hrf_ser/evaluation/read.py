"""Every run that was found, from folders and from files of records."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor

from hrf_ser.evaluation.find import Found
from hrf_ser.evaluation.folder import read_run
from hrf_ser.evaluation.records import read_records
from hrf_ser.evaluation.run import Run

_POOL_FROM = 400  # Starting processes costs about as much as reading this many runs.


def read_runs(found: Found) -> tuple[list[Run], list[str]]:
    """Every finished run, and a sentence for each that cannot be used or only in part."""
    folders = found.finished
    workers = min(os.cpu_count() or 1, len(folders) // _POOL_FROM + 1)
    if workers > 1:
        with ProcessPoolExecutor(workers) as pool:
            read = list(pool.map(read_run, folders, chunksize=64))
    else:
        read = [read_run(folder) for folder in folders]
    for path in found.records:
        read.extend(read_records(path))
    runs = [run for run, _ in read if run is not None]
    return runs, [sentence for _, sentences in read for sentence in sentences]
