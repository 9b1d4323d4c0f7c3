#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""cppcheck over the product's sources, with their own compile commands."""

import hashlib
import json
import subprocess
import sys

import commands
import gnlint

VERSION = "2.10"
OPTIONS = ("--enable=warning,performance,portability", "--inline-suppr", "--error-exitcode=1",
           "--std=c11", "--quiet", "--library=python", "--library=openssl", "--library=zlib")
# Named once here, each with its reason; single places use an inline comment.
SUPPRESSED = (
    "missingIncludeSystem",     # system headers are not analysed
    "unknownMacro",             # Python's own declaration macros
    "missingReturn",            # the compiler knows Py_RETURN_NONE, cppcheck does not
    "varFuncNullUB",            # NULL through "..." is a pointer on every platform we name
    "unmatchedSuppression",
)


def main():
    args = commands.arguments(__doc__).parse_args()
    tool = gnlint.find_pinned("cppcheck", VERSION, "cppcheck")
    units = commands.product_units(args.root, args.build)
    options = [*OPTIONS, *(f"--suppress={name}" for name in SUPPRESSED)]
    # cppcheck remembers results by file only, so other options need another folder.
    work = args.build / ("cppcheck-" + hashlib.sha256(" ".join(options).encode()).hexdigest()[:8])
    work.mkdir(exist_ok=True)
    project = work / "compile_commands.json"
    project.write_text(json.dumps(units), encoding="utf-8")
    done = subprocess.run([tool, f"--project={project}", *options, f"-j{args.jobs}",
                           f"--cppcheck-build-dir={work}"], check=False)
    print(f"cppcheck: {len(units)} checked")
    return 1 if done.returncode != 0 else 0


if __name__ == "__main__":
    sys.exit(main())
