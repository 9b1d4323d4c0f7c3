#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""cppcheck over the product's sources, with their own compile commands."""

import json
import shutil
import subprocess
import sys

import commands
import gnlint

# Named once here, each with its reason; single places use an inline comment.
SUPPRESSED = (
    "missingIncludeSystem",     # system headers are not analysed
    "unknownMacro",             # Python's own declaration macros
    "varFuncNullUB",            # NULL through "..." is a pointer on every platform we name
    "unmatchedSuppression",
)


def main():
    args = commands.arguments(__doc__).parse_args()
    tool = shutil.which("cppcheck")
    if tool is None:
        gnlint.skip("cppcheck", "cppcheck is not installed")
    units = commands.product_units(args.root, args.build)
    work = args.build / "cppcheck"
    work.mkdir(exist_ok=True)
    project = work / "compile_commands.json"
    project.write_text(json.dumps(units), encoding="utf-8")
    done = subprocess.run(
        [tool, f"--project={project}", "--enable=warning,performance,portability", "--inline-suppr",
         "--error-exitcode=1", "--std=c11", "--quiet", f"-j{args.jobs}", f"--cppcheck-build-dir={work}",
         *(f"--suppress={name}" for name in SUPPRESSED)], check=False)
    print(f"cppcheck: {len(units)} checked")
    return 1 if done.returncode != 0 else 0


if __name__ == "__main__":
    sys.exit(main())
