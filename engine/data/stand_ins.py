"""What often lies in place of a file that was meant to be downloaded."""

import re

_STAND_INS = (
    (
        re.compile(rb"\s*version https://git-lfs\.github\.com/spec/"),
        "a Git LFS pointer, not the file itself; run `git lfs pull` in its folder",
    ),
    (
        re.compile(rb"(?i:(?:\xef\xbb\xbf)?\s*(?:<!doctype html|<html|<head>|<\?xml))"),
        "a web page or XML, not the file itself; download that, on the hub from its /resolve/ "
        "address",
    ),
)
HEAD = 300  # bytes that are enough to know one


def stand_in(head: bytes) -> str | None:
    """What a file is that begins with `head`, and what to do, where it only stands for another."""
    return next((problem for start, problem in _STAND_INS if start.match(head)), None)
