"""Text files beside a tilt series: decoded, taken apart into numbers, written in one move."""

from __future__ import annotations

import codecs
import os
import re

from mendem.errors import MendemError
from mendem.io.output import PartFile, plain_words

#: No list of tilts is longer than this; a file that is was named by mistake.
MAX_BYTES = 16 << 20

#: Fortran writes D in place of E.
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eEdD][+-]?\d+)?|[+-]?(nan|inf|infinity)", re.ASCII | re.IGNORECASE)

COMMENTS = re.compile(r"(#|//|!).*")


def read_text(path: str) -> str:
    """The text of a file; UTF-8, UTF-16 with its mark, or Latin-1.

    Raises
    ------
    MendemError
        The file is missing, empty, too large, or not text.
    """
    try:
        with open(path, "rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise MendemError(f"{path} does not exist; check the name") from error
    except IsADirectoryError as error:
        raise MendemError(f"{path} is a folder; give a file") from error
    except OSError as error:
        raise MendemError(f"cannot read {path}: {error.strerror or error}") from error
    if len(raw) > MAX_BYTES:
        raise MendemError(f"{path} is not a list of tilts: it is larger than {MAX_BYTES >> 20} MiB")
    marked = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = raw.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    if any(ord(c) < 32 and c not in "\t\n\r\f\x1a" for c in text):
        raise MendemError(f"{path} is not a text file; give the file that lists the tilts")
    if not text.strip():
        raise MendemError(f"{path} is empty; copy it again from its source")
    return text


def read_rows(path: str, what: str, comments: re.Pattern[str] = COMMENTS) -> list[tuple[float, ...]]:
    """The numbers of each line that has any; comments, commas, tabs and Windows line ends do not count.

    ``what`` names the expected content of a line, for the message when there is something else.
    """
    rows = []
    for count, line in enumerate(read_text(path).splitlines(), 1):
        words = comments.sub("", line).replace("\N{MINUS SIGN}", "-").replace("\x1a", "")
        words = words.replace(",", " ").replace(";", " ")
        if not words.strip():
            continue
        rows.append(tuple(to_number(word, path, count, what) for word in words.split()))
    if not rows:
        raise MendemError(f"{path} has no numbers in it; give the file that lists the tilts")
    return rows


def to_number(word: str, path: str, line: int, what: str) -> float:
    """A number as programs write it in C or Fortran; `MendemError` where it is none."""
    if not NUMBER.fullmatch(word):
        shown = word if len(word) <= 40 else f"{word[:40]}…"
        raise MendemError(f"line {line} of {path} has {shown!r} where {what} is expected; correct or replace the file")
    return float(re.sub("[dD]", "e", word))


def write_text(path: str | os.PathLike, text: str, overwrite: bool = False) -> None:
    """Write a text file that appears whole or not at all; `MendemError` where it exists or cannot be written."""
    part = PartFile(os.fspath(path), len(text), overwrite)
    try:
        with plain_words(part.target), open(part.path, "w", encoding="ascii", newline="\n") as file:
            file.write(text)
    except BaseException:
        part.discard()
        raise
    part.commit()


def refuse_existing(*paths: str) -> None:
    """Raise `MendemError` where one of several files that belong together exists."""
    for path in paths:
        if os.path.exists(path):
            raise MendemError(f"{path} exists; choose another name, or allow overwriting")
