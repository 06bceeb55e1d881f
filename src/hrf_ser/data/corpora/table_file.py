"""The file of a table: CSV of any delimiter and encoding, JSON lines or Parquet -> rows of text by column."""

from __future__ import annotations

import codecs
import difflib
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hrf_ser.data.corpora.files import Row, parse_csv
from hrf_ser.errors import UserError
from hrf_ser.media.kinds import SUFFIXES

REQUIRED = ("path", "label", "speaker")
COLUMNS = (*REQUIRED, "group", "start", "end", "part", "sex", "dialog", "utterance")
# Names that other tools use, for hints; audformat's ``file`` is read as it is.
_ALSO_CALLED = {
    "path": ("file", "filename", "file_name", "filepath", "audio_filepath", "audio_path", "audio", "wav", "datei"),
    "label": ("emotion", "emo", "class", "category", "target", "choice", "sentiment", "gefühl", "klasse"),
    "speaker": (
        *("subject", "speaker_id", "spk_id", "spk", "actor", "participant", "person", "sprecher", "sprecherin"),
        *("proband", "patient", "user"),
    ),
    "start": ("begin", "beginn", "onset", "start_time", "begin_time", "xmin", "tmin", "von"),
    "end": ("ende", "stop", "end_time", "xmax", "tmax", "bis"),
    "part": ("split", "set", "subset", "partition", "fold_name"),
}
DURATION = "duration"
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_BYTE_ORDER_MARKS = {  # UTF-32's begins like UTF-16's
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_NO_TABLES = {
    b"PK\x03\x04": "a spreadsheet or a zip archive",
    b"\xd0\xcf\x11\xe0": "an Excel workbook",
    b"\x1f\x8b": "a gzip archive",
    b"%PDF": "a PDF file",
    b"RIFF": "audio",
    b"fLaC": "audio",
}
# Beginnings of the text of annotation tools, and what writes a table from it.
_ANNOTATIONS = (
    (re.compile(r"<\?xml[^>]*>\s*<ANNOTATION_DOCUMENT"), "an ELAN file", "in ELAN export Tab-delimited Text"),
    (
        re.compile(r'(?:File type = )?"ooText'),
        "a Praat file",
        "in Praat convert the TextGrid Down to Table and save it",
    ),
    (re.compile(r"<\?xml|<!doctype|<html", re.IGNORECASE), "XML or a web page", "export the table"),
    (re.compile(r"-?\d+\.\d+\t-?\d+\.\d+\t"), "an Audacity label track", "write a header and the columns"),
)
_INVISIBLE = re.compile("[\u200b\u200e\u200f\u2060\ufeff]")  # that web pages and chats leave in copied text
_HEADER = 10_000  # bytes
_TITLE = 10  # lines in which a header is looked for
_FORMS = "CSV, JSON lines (.jsonl) or Parquet (.parquet)"


def read_table(
    path: Path, columns: Mapping[str, str], encoding: str | None, required: Sequence[str] = REQUIRED
) -> tuple[list[Row], list[str]]:
    """Rows of the table under our names of columns, and sentences on how the file was read.

    Args:
        path: The file. Its suffix tells its form: ``.json``, ``.jsonl``, ``.parquet``; everything else is CSV.
        columns: Our name of a column -> its name in the file.
        encoding: Of a text file; None takes its byte order mark, else UTF-8.
        required: Columns without which the file is refused.

    Raises:
        UserError: The file is no table, or lacks a column.
    """
    suffix, delimiter = path.suffix.lower(), ","
    if suffix in (".parquet", ".pq"):
        header, rows = _parquet(path)
    elif suffix in (".json", ".jsonl", ".ndjson"):
        header, rows = _json(path, _text(path, encoding, columns))
    else:
        header, rows, delimiter = _csv(path, _text(path, encoding, columns), columns)
    names = _names(path, header, columns, required)
    if "start" in names and "end" not in names and DURATION in header:
        names[DURATION] = DURATION
    known = [Row(row.where, {name: row[column] for name, column in names.items()}) for row in rows]
    if not known:
        raise UserError(f"{path} has no row below its header: add one row for each utterance.")
    for name in ("label", "speaker", "group"):
        _whole(known, name)
    notes = _unused(header, names)
    if delimiter == ",":
        return known, notes
    for row in known:  # such files are written where a comma is the decimal sign
        row.cells.update(
            {name: row[name].replace(",", ".") for name in ("start", "end", DURATION) if name in row.cells}
        )
    return known, [f"{path.name} is separated by {_DELIMITERS[delimiter]}", *notes]


def _whole(rows: Sequence[Row], name: str) -> None:
    """Write 1.0 as 1 in a column of whole numbers, which data frames write as fractions where a value is missing."""
    cells = [row[name] for row in rows if row[name]]
    if cells and all(re.fullmatch(r"\d+\.0+", cell) for cell in cells):
        for row in rows:
            if row[name]:
                row.cells[name] = row[name].partition(".")[0]


def _unused(header: Sequence[str], names: Mapping[str, str]) -> list[str]:
    """Sentences on columns that mean something in other tools and are ignored here."""
    notes = []
    split = next((column for column in _ALSO_CALLED["part"] if column in header), None)
    if split is not None and "part" not in names and split not in names.values():
        notes.append(
            f"the column {split} is not used: 'data.options.columns={{part: {split}}}' takes it as the official split"
        )
    for name in ("start", "end"):
        column = None if name in names else _known(name, header)
        if column is not None and column not in names.values():
            option = f"'data.options.columns={{{name}: {typed(column)}}}'"
            notes.append(f"the column {column} is not used: {option} takes it as seconds")
    if "channel" in header and "channel" not in names.values():
        notes.append("the column channel is not used: channels are averaged; write the channels to files of their own")
    return notes


def _text(path: Path, encoding: str | None, columns: Mapping[str, str]) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): make it readable.") from None
    for begin, what in _NO_TABLES.items():
        if data.startswith(begin):
            raise UserError(f"{path} is {what}, not a table: save it as {_FORMS}.")
    found = next((name for mark, name in _BYTE_ORDER_MARKS.items() if data.startswith(mark)), encoding or "utf-8")
    try:
        text = data.decode(found)
    except LookupError:
        raise UserError(
            f"data.options.encoding={encoding} is unknown: use e.g. utf-8, utf-16, cp1252 or latin-1."
        ) from None
    except ValueError as error:  # UnicodeError is one
        line = data[: getattr(error, "start", 0)].count(b"\n") + 1
        raise UserError(
            f"{path} is not {found.upper()} (line {line}): name its encoding with data.options.encoding=, cp1252 for a CSV "
            f"file that Windows wrote in a western European language{_other_columns(data, columns)}."
        ) from None
    if "\0" in text:
        raise UserError(
            f"{path} is no text in {found.upper()}: try data.options.encoding=utf-16-le, or save it as {_FORMS}."
        )
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    for pattern, what, remedy in _ANNOTATIONS:
        if pattern.match(text.lstrip()):
            raise UserError(f"{path} is {what}: {remedy}, and give each row a path, a label and a speaker.")
    return _INVISIBLE.sub("", text)


def _other_columns(data: bytes, columns: Mapping[str, str]) -> str:
    """What else to set for a file whose encoding is not known, so that the user need not try twice."""
    text = data[:_HEADER].decode("cp1252", errors="replace").replace("\r", "\n")
    header = [cell.strip(' "').lower() for cell in text.partition("\n")[0].split(_delimiter(text, columns)[0])]
    missing = [name for name in REQUIRED if name not in header and name not in columns]
    found = [name for name in missing if _known(name, header)]
    return f", and its columns with {_columns_option(missing, header, columns)}" if found else ""


def _columns_option(missing: Sequence[str], header: Sequence[str], columns: Mapping[str, str]) -> str:
    """The option that names missing columns, and times under other names."""
    times = [name for name in ("start", "end") if name not in header and name not in columns and _known(name, header)]
    wanted = {**columns, **{name: _nearest(name, columns.get(name, name), header) for name in (*missing, *times)}}
    return "'data.options.columns={" + ", ".join(f"{name}: {typed(column)}" for name, column in wanted.items()) + "}'"


def _csv(path: Path, text: str, columns: Mapping[str, str]) -> tuple[list[str], list[Row], str]:
    first = 1
    if text[:4].lower() == "sep=":  # Excel's own first line
        text, first = text.partition("\n")[2], 2
    delimiter, header_line = _delimiter(text, columns)
    if header_line:
        raise UserError(f"{path} has its header in line {first + header_line}: remove the lines above it.")
    header, rows = parse_csv(path, text, "correct its quotes", delimiter=delimiter, first=first, strict=True)
    return header, rows, delimiter


def _delimiter(text: str, columns: Mapping[str, str]) -> tuple[str, int]:
    """The one that separates most of the columns' names in the header, else the commonest there; a comma in doubt.

    Returns:
        It, and the number of lines, such as a title, above a header that is not the first line.
    """
    lines = [
        (number, line) for number, line in enumerate(text.split("\n", maxsplit=_TITLE + 1)[:_TITLE]) if line.strip()
    ]
    header = lines[0][1] if lines else next((line for line in text.split("\n") if line.strip()), "")
    wanted = {*COLUMNS, "file", *(column.lower() for column in columns.values())}

    def names(delimiter: str, line: str) -> int:
        return len(wanted & {cell.strip(' "').lower() for cell in line.split(delimiter)})

    # Not csv.Sniffer: its regular expressions take minutes on a long header of quotes.
    delimiter = max(_DELIMITERS, key=lambda delimiter: (names(delimiter, header), header.count(delimiter)))
    if names(delimiter, header):
        return delimiter, 0
    below = (number for number, line in lines[1:] if any(names(one, line) >= 2 for one in _DELIMITERS))
    return delimiter, next(below, 0)


def _json(path: Path, text: str) -> tuple[list[str], list[Row]]:
    """A JSON object a line, or a list of objects."""
    try:
        if (whole := _whole_json(text)) is not None:
            records = whole
        else:
            lines = enumerate(text.split("\n"), start=1)
            records = [(f"line {number}", json.loads(line)) for number, line in lines if line.strip()]
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not JSON ({error}): write a JSON object a line.") from None
    for where, record in records:
        if not isinstance(record, dict) or any(isinstance(value, dict | list) for value in record.values()):
            remedy = "write a JSON object a line, as pandas does with to_json(orient='records', lines=True)"
            if isinstance(record, dict) and {"annotations", "annotator", "annotation_id", "completions"} & set(record):
                remedy = "in Label Studio export CSV or JSON-MIN, one choice and no regions for each recording"
            raise UserError(f"{path}, {where} is not a JSON object of texts and numbers: {remedy}.")
    return _rows(path, records)


def _whole_json(text: str) -> list[tuple[str, Any]] | None:
    """Records of a list, or of an object of objects by utterance; None for a record a line.

    Raises:
        ValueError: It is neither.
    """
    begin = text.lstrip()[:1]
    if begin == "[":
        return [(f"record {number}", record) for number, record in enumerate(json.loads(text), start=1)]
    try:
        content = json.loads(text) if begin == "{" else None
    except ValueError:
        return None
    if not isinstance(content, dict) or not any(isinstance(value, dict | list) for value in content.values()):
        return None
    if not all(isinstance(value, dict) for value in content.values()) or set(COLUMNS) & set(content):
        return [("line 1", content)]
    return [(f"record {name!r}", {"utterance": name, **record}) for name, record in content.items()]


def _parquet(path: Path) -> tuple[list[str], list[Row]]:
    import pandas as pd

    try:
        frame = pd.read_parquet(path)
    except ImportError:
        raise UserError(
            f"{path}: pandas reads Parquet with pyarrow, which is not installed: pip install pyarrow."
        ) from None
    except Exception as error:  # pyarrow's own classes
        reason = str(error).partition("\n")[0]
        raise UserError(f"{path} cannot be read as Parquet ({reason}): save the table again, as {_FORMS}.") from None
    if any(frame.index.names):  # audformat's file, start, end
        frame = frame.reset_index()
    records = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return _rows(path, [(f"record {number}", record) for number, record in enumerate(records, start=1)])


def _rows(path: Path, records: Sequence[tuple[str, Mapping[Any, Any]]]) -> tuple[list[str], list[Row]]:
    rows = [
        Row(f"{path}, {where}", {str(key).strip().lower(): _cell(value) for key, value in record.items()})
        for where, record in records
    ]
    return list(dict.fromkeys(key for row in rows for key in row.cells)), rows


def _cell(value: Any) -> str:
    """1.0, which a column of whole numbers becomes where a value is missing, is 1."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return str(int(value) if isinstance(value, float) and value.is_integer() else value).strip()


def _names(path: Path, header: Sequence[str], columns: Mapping[str, str], required: Sequence[str]) -> dict[str, str]:
    """Our name of a column -> its name in the file."""
    if not header:
        raise UserError(
            f"{path} is empty and lacks the columns {', '.join(required)}: write a header and a row per utterance."
        )
    for name in columns:
        if name not in COLUMNS:
            raise UserError(f"data.options.columns names {name}, which is none of {', '.join(COLUMNS)}: correct it.")
    names = {name: columns.get(name, name).strip().lower() for name in COLUMNS}
    if "path" not in columns and "path" not in header and "file" in header:
        names["path"] = "file"
    repeated = sorted({column for column in names.values() if header.count(column) > 1})
    if repeated:
        raise UserError(f"{path} has the column {', '.join(repeated)} more than once: keep one.")
    missing = [name for name in COLUMNS if names[name] not in header and (name in required or name in columns)]
    if missing:
        if any(Path(cell.split()[-1]).suffix.lower() in SUFFIXES for cell in header if cell.strip()):
            raise UserError(
                f"{path} has no header: write the line {','.join(required)} above its rows, with the columns in their order."
            )
        option = _columns_option(missing, header, columns)
        shown = (
            f"{path} lacks the column {', '.join(names[name] for name in missing)} but has {', '.join(header)[:200]}"
        )
        if missing == ["speaker"] and _known("speaker", header) is None and "speaker" not in columns:
            raise UserError(
                f"{shown}: add who speaks, or name the column that says so with {option}; without speakers no score is of "
                "unseen ones."
            )
        raise UserError(f"{shown}: rename it, or say which it is with {option}.")
    return {name: column for name, column in names.items() if column in header}


def typed(text: str) -> str:
    """A text as a value in Hydra's dictionaries and lists."""
    return text if re.fullmatch(r"[\w.]+", text, re.ASCII) else f'"{text}"'


def _known(name: str, header: Sequence[str]) -> str | None:
    """The column of the header that other tools use for ours."""
    return next((other for other in _ALSO_CALLED.get(name, ()) if other in header), None)


def _nearest(name: str, column: str, header: Sequence[str]) -> str:
    return _known(name, header) or next(iter(difflib.get_close_matches(column, header, n=1)), "...")
