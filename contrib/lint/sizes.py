#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""C files of at most 800 lines (for any file a warning above 500), functions of
at most 70, control structures nested at most four deep.

A function is what stands between a brace in the first column and the next one
that closes there, which is how clang-format lays every function out.
"""

import re
import sys

import gnlint

FILE_LINES = 800
FILE_LINES_WARN = 500
FUNCTION_LINES = 70
NESTING = 4

CONTROL = re.compile(r"^\s*(?:} )?(?:if|else|for|while|do|switch)\b(?!.*;$)")

NAME = re.compile(r"(\w+)\s*\(")


def name_above(lines, opening):
    """The name of the function whose body opens at index `opening`."""
    start = opening
    while start > 0 and lines[start - 1].strip() and not lines[start - 1].startswith(("}", "#")):
        start -= 1
    head = " ".join(lines[start:opening])
    test = re.match(r"Test\((\w+), (\w+)", head)
    if test:
        return "/".join(test.groups())
    names = [n for n in NAME.findall(head) if not n.isupper() and n != "__attribute__"]
    return names[0] if names else "function"


def check(source, report):
    lines = gnlint.blank(source.text, strings=True).splitlines()
    is_c = source.path.endswith((".c", ".h", ".S"))
    if len(lines) > FILE_LINES and is_c:
        report.error(source.path, FILE_LINES, f"{len(lines)} lines; {FILE_LINES} is the limit")
    elif len(lines) > FILE_LINES_WARN:
        report.warn(source.path, FILE_LINES_WARN, f"{len(lines)} lines; above {FILE_LINES_WARN} consider a split")
    if source.path.endswith((".c", ".h")):
        check_functions(source.path, lines, report)


def check_functions(path, lines, report):
    opening = None
    for index, line in enumerate(lines):
        if line.startswith("{"):
            opening = index
        elif line.startswith("}") and opening is not None:
            length = index - opening - 1
            check_nesting(path, lines, opening, index, report)
            if length > FUNCTION_LINES:
                report.error(path, opening + 1, f"{name_above(lines, opening)} has {length} lines; "
                             f"{FUNCTION_LINES} is the limit")
            opening = None


def check_nesting(path, lines, opening, closing, report):
    """A control structure at brace depth d within the body opens level d."""
    depth = 0
    for index in range(opening, closing):
        line = lines[index]
        level = depth - line.lstrip().startswith("}")
        if level > NESTING and CONTROL.match(line):
            report.error(path, index + 1, f"{name_above(lines, opening)} nests {level} deep; "
                         f"{NESTING} is the limit")
            return
        depth += line.count("{") - line.count("}")


def main():
    args = gnlint.arguments(__doc__).parse_args()
    report = gnlint.Report("sizes")
    found = gnlint.sources(args.root, (".c", ".h", ".py", ".S", ".js", ".cmake"))
    for source in found:
        check(source, report)
    return report.exit_code(len(found))


if __name__ == "__main__":
    sys.exit(main())
