#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""clang-format has nothing to say. Version 14 is pinned: others lay out differently.

With --fix the files are rewritten instead.
"""

import subprocess
import sys

import gnlint

VERSION = "14"


def main():
    parser = gnlint.arguments(__doc__)
    parser.add_argument("--fix", action="store_true", help="rewrite the files")
    parser.add_argument("files", nargs="*", help="only these; all when none is given")
    args = parser.parse_args()
    tool = gnlint.find_pinned("format", VERSION, f"clang-format-{VERSION}", "clang-format")
    paths = args.files or [str(p) for p in gnlint.walk(args.root, (".c", ".h"))]
    if not paths:
        return 0
    mode = ["-i"] if args.fix else ["--dry-run", "-Werror"]
    done = subprocess.run([tool, *mode, *paths], check=False)
    print(f"format: {len(paths)} checked")
    return 1 if done.returncode != 0 else 0


if __name__ == "__main__":
    sys.exit(main())
