#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The outside of files: licence line first, header beside each source, guards, README.

 - The first line (the second, behind #!) names the licence.
 - x.c of a layer has x.h or x_priv.h (x_way.c may share x.h), and tests/<folder>/test_x.c (a warning when not).
 - A header's guard is its path: GN_SERVER_BASE_SLICE_H.
 - The README.md of a layer's folder, or of the one above, names each x.c, x.h or x_priv.h as `x`,
   `x.c` and the like, or by its beginning: `x*`.
"""

import functools
import re
import sys

import gnlint
import layers

LICENCE = "SPDX-License-Identifier: MIT"


def check_licence(source, report):
    first = source.text.splitlines()[:2]
    if first and first[0].startswith("#!"):
        first = first[1:]
    if not first or LICENCE not in first[0]:
        report.error(source.path, 1, f"the first line must say {LICENCE}")


def check_guard(source, report):
    guard = "GN_" + re.sub(r"[^A-Z0-9]", "_", source.path.upper())
    guard = guard.replace("GN_GN_", "GN_")
    match = re.search(r"^#ifndef (\w+)\n#define \1$", source.text, re.MULTILINE)
    if match is None or not (match.group(1) == guard or match.group(1) == guard[len("GN_"):]):
        report.error(source.path, 1, f"the include guard must be {guard}")


def has_header(folder, stem):
    """x.h, or x_priv.h for a part that only its folder uses, or for one of several
    implementations of x (x_fd.c, x_tls.c) their common header."""
    words = stem.split("_")
    stems = ["_".join(words[:n]) for n in range(1, len(words) + 1)]
    return any((folder / (s + ending)).exists() for s in stems for ending in (".h", "_priv.h"))


def check_neighbours(source, root, report):
    folder, name = source.path.rsplit("/", 1)
    if name != "main.c" and not has_header(root / folder, name[:-len(".c")]):
        report.error(source.path, 1, f"{source.path[:-1]}h is missing: each source has its header")
    if name != "main.c" and not (root / "tests" / folder / f"test_{name}").exists():
        report.warn(source.path, 1, f"no tests/{folder}/test_{name}")


@functools.cache
def named_in(readme):
    """The names of files in it, without endings; beginnings end with an asterisk."""
    names = re.findall(r"`([\w/.]*\w\*?)`", readme.read_text(encoding="utf-8"))
    return {re.sub(r"(_priv)?\.[ch]$", "", name.rsplit("/", 1)[-1]) for name in names}


def check_readme(source, root, report):
    folder = root / source.folder
    readme = next((f / "README.md" for f in (folder, folder.parent)
                   if f != root and (f / "README.md").exists()), None)
    if readme is None:
        return
    stem = re.sub(r"(_priv)?\.[ch]$", "", source.path.rsplit("/", 1)[-1])
    names = named_in(readme)
    beginnings = tuple(name[:-1] for name in names if name.endswith("*"))
    if stem not in names and not stem.startswith(beginnings):
        report.error(source.path, 1, f"{readme.relative_to(root)} does not name `{stem}`")


def main():
    args = gnlint.arguments(__doc__).parse_args()
    report = gnlint.Report("files")
    table = layers.read_table(args.root)
    found = gnlint.sources(args.root, (".c", ".h", ".S", ".py"))
    for source in found:
        if source.path.endswith(".py") and not source.text.strip():
            continue
        check_licence(source, report)
        if source.path.endswith(".h"):
            check_guard(source, report)
        if source.path.endswith(".c") and layers.layer_of(table, source.path) is not None:
            check_neighbours(source, args.root, report)
        if source.path.endswith((".c", ".h")) and layers.layer_of(table, source.path) is not None:
            check_readme(source, args.root, report)
    return report.exit_code(len(found))


if __name__ == "__main__":
    sys.exit(main())
