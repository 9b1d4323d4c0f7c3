#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Refuses calls that have a better replacement.

A line may keep one for a reason, which it states on the same line or the one
above:  /* lint: allow free: jansson hands out memory of malloc */
"""

import re
import sys

import gnlint

SAFER = {
    "strcpy": "gn_buf or memcpy with a checked length",
    "strcat": "gn_buf",
    "stpcpy": "gn_buf",
    "strncpy": "gn_buf or memcpy with a checked length",
    "strncat": "gn_buf",
    "sprintf": "snprintf or gn_buf",
    "vsprintf": "vsnprintf",
    "strtok": "gn_slice_split",
    "gets": "fgets",
    "scanf": "gn_slice_to_u64",
    "sscanf": "gn_slice_to_u64",
    "fscanf": "gn_slice_to_u64",
    "atoi": "gn_slice_to_u64",
    "atol": "gn_slice_to_u64",
    "atoll": "gn_slice_to_u64",
    "atof": "strtod, with its end checked",
    "alloca": "a fixed array or the arena",
    "localtime": "localtime_r",
    "gmtime": "gmtime_r",
    "ctime": "the date writer of server/proto",
    "asctime": "the date writer of server/proto",
    "strerror": "strerror_r, or gn_error",
    "select": "the loop",
    "signal": "server/loop/signals.h, or sigaction",
}
ALLOCATORS = {
    "malloc": "gn_xalloc",
    "calloc": "gn_xcalloc",
    "realloc": "gn_xrealloc",
    "free": "gn_free",
    "strdup": "gn_xstrndup",
    "strndup": "gn_xstrndup",
    "asprintf": "gn_buf",
    "vasprintf": "gn_buf",
}
# Where raw allocation is at home: base wraps it, and Python-facing files and
# stand-alone programs answer to others.
RAW_MEMORY = ("server/base/", "bridge/py/", "bridge/module/", "wsgi/", "tests/", "contrib/")

CALL = re.compile(r"(?<![\w.>])(?<!->)([a-z]\w*)\s*\(")
ALLOW = re.compile(r"lint: allow (\w+): (?!\*/)\S")


def allowed(lines, line):
    """The names that line number `line`, or the one above, excuses."""
    names = set()
    for text in lines[max(0, line - 2):line]:
        names.update(ALLOW.findall(text))
    return names


def check(source, report):
    code = gnlint.blank(source.text, strings=True)
    lines = source.text.splitlines()
    raw_memory = source.path.startswith(RAW_MEMORY)
    for match in CALL.finditer(code):
        name = match.group(1)
        instead = SAFER.get(name) or (None if raw_memory else ALLOCATORS.get(name))
        if instead is None:
            continue
        line = gnlint.line_of(code, match.start())
        if name not in allowed(lines, line):
            report.error(source.path, line, f"{name}() is banned; use {instead}")


def main():
    args = gnlint.arguments(__doc__).parse_args()
    report = gnlint.Report("banned")
    found = gnlint.sources(args.root)
    for source in found:
        check(source, report)
    return report.exit_code(len(found))


if __name__ == "__main__":
    sys.exit(main())
