#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""clang-format has nothing to say. Version 14 is pinned: others lay out differently.

With --fix the files are rewritten instead.
"""

import re
import shutil
import subprocess
import sys

import gnlint

VERSION = "14"


def find_tool():
    """The pinned clang-format, or None with the versions that were found instead."""
    seen = []
    for name in (f"clang-format-{VERSION}", "clang-format"):
        path = shutil.which(name)
        if path is None:
            continue
        output = subprocess.run([path, "--version"], text=True, capture_output=True, check=True).stdout
        version = re.search(r"version (\d+)", output).group(1)
        if version == VERSION:
            return path, seen
        seen.append(f"{path} is version {version}")
    return None, seen


def main():
    parser = gnlint.arguments(__doc__)
    parser.add_argument("--fix", action="store_true", help="rewrite the files")
    parser.add_argument("files", nargs="*", help="only these; all when none is given")
    args = parser.parse_args()
    tool, seen = find_tool()
    if tool is None:
        gnlint.skip("format", f"clang-format {VERSION} is not installed" + "".join(f"; {s}" for s in seen))
    paths = args.files or [str(p) for p in gnlint.walk(args.root, (".c", ".h"))]
    if not paths:
        return 0
    mode = ["-i"] if args.fix else ["--dry-run", "-Werror"]
    done = subprocess.run([tool, *mode, *paths], check=False)
    print(f"format: {len(paths)} checked")
    return 1 if done.returncode != 0 else 0


if __name__ == "__main__":
    sys.exit(main())
