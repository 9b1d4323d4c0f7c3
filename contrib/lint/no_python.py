#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Refuses CPython symbols in libraries that must not know Python.

The include check already keeps Python.h out; this one looks at what was
actually compiled, so that a declaration by hand does not slip through.
"""

import argparse
import re
import subprocess
import sys

import gnlint

SYMBOL = re.compile(r"\s([A-Za-z])\s+(_?Py[A-Z_]\w*)$")


def symbols(nm, path):
    flags = ["-D"] if re.search(r"\.so(\.|$)", path) else []
    done = subprocess.run([nm, *flags, path], text=True, capture_output=True, check=True)
    return sorted({m.group(2) for m in map(SYMBOL.search, done.stdout.splitlines()) if m})


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nm", default="nm")
    parser.add_argument("files", nargs="+", help="archives and shared objects")
    args = parser.parse_args()
    report = gnlint.Report("no_python")
    for path in args.files:
        for name in symbols(args.nm, path):
            report.error(path, 0, f"refers to {name}")
    return report.exit_code(len(args.files))


if __name__ == "__main__":
    sys.exit(main())
