#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares every #include with the layer table in contrib/cmake/layers.cmake.

 - A layer includes itself and the layers its USES names, nothing else of ours.
 - A _priv.h stays within its folder (and the tests of that folder), unless it
   shows an outside library that both layers name: the GIL's, for instance.
 - Headers of outside libraries appear only in .c and _priv.h files of the
   layers whose OUTSIDE names the library.
 - Tests of a layer see what the layer sees; tests/support serves all.
 - Our headers are included by their path from the root, and a source file
   includes its own header first (behind Python.h, which insists).
"""

import posixpath
import re
import sys

import gnlint

# Which imported target stands behind which outside header.
OUTSIDE_HEADERS = (
    (re.compile(r"(^|/)(Python|structmember|datetime|frameobject)\.h$"), {"Python3::Python"}),
    (re.compile(r"(^|/)ev(\+\+)?\.h$"), {"Libev::Libev"}),
    (re.compile(r"(^|/)openssl/"), {"OpenSSL::SSL", "OpenSSL::Crypto"}),
    (re.compile(r"(^|/)z(lib|conf)\.h$"), {"ZLIB::ZLIB"}),
    (re.compile(r"(^|/)pcre2(posix)?\.h$"), {"PkgConfig::PCRE2"}),
    (re.compile(r"(^|/)jansson(_config)?\.h$"), {"PkgConfig::JANSSON"}),
)

INCLUDE = re.compile(r"^[ \t]*#[ \t]*include[ \t]*([<\"])([^>\"\n]+)[>\"]", re.MULTILINE)
GN_LAYER = re.compile(r"^gn_layer\(([^\s)]+)\s+([^\s)]+)(.*?)\)\s*$", re.MULTILINE | re.DOTALL)

# What a C author links (and examples therefore may use).
INSTALLED = ("server/", "bridge/exec", "web")


class Layer:
    def __init__(self, name, folder, rest):
        self.name = name
        self.folder = folder
        self.uses = set()
        self.outside = set()
        into = None
        for word in rest.split():
            if word in ("USES", "OUTSIDE"):
                into = self.uses if word == "USES" else self.outside
            else:
                into.add(word)


def read_table(root):
    text = (root / "contrib/cmake/layers.cmake").read_text(encoding="utf-8")
    return [Layer(*match.groups()) for match in GN_LAYER.finditer(text)]


def layer_of(table, path):
    """The layer whose folder holds `path`, or None."""
    owners = [l for l in table if path.startswith(l.folder + "/")]
    return max(owners, key=lambda l: len(l.folder), default=None)


class Checker:
    def __init__(self, root, report):
        self.root = root
        self.report = report
        self.table = read_table(root)

    def check(self, source):
        text = gnlint.blank(source.text)
        includes = [(m.group(1), m.group(2), gnlint.line_of(text, m.start()))
                    for m in INCLUDE.finditer(text)]
        for quote, name, line in includes:
            target = layer_of(self.table, name)
            if quote == "\"" or target is not None or name.startswith(("tests/", "contrib/")):
                self.check_ours(source, name, line)
            else:
                self.check_outside(source, name, line)
        self.check_own_first(source, [name for _, name, _ in includes])

    def owner(self, source):
        """The layer `source` belongs to or tests; None for shared tests and contrib."""
        path = source.path
        return layer_of(self.table, path[len("tests/"):] if path.startswith("tests/") else path)

    def check_ours(self, source, name, line):
        if self.is_generated(source, name):
            return
        if "/" not in name or not self.exists(name):
            self.report.error(source.path, line, f'"{name}" is no path from the root of the repository')
            return
        target = layer_of(self.table, name)
        if target is None:
            if name.startswith(("tests/", "contrib/")) and not source.path.startswith(("tests/", "contrib/")):
                self.report.error(source.path, line, f'product code includes "{name}"')
            return
        self.check_target(source, name, line, target)

    def check_target(self, source, name, line, target):
        owner = self.owner(source)
        folder = source.folder[len("tests/"):] if source.path.startswith("tests/") else source.folder
        if name.endswith("_priv.h") and posixpath.dirname(name) != folder \
                and not self.is_shared(name, owner, target):
            self.report.error(source.path, line, f'"{name}" is private to {posixpath.dirname(name)}')
        elif owner is not None and target is not owner and target.name not in owner.uses:
            self.report.error(source.path, line, f'{owner.name} may not include "{name}": '
                              f"its USES in contrib/cmake/layers.cmake lacks {target.name}")
        elif source.path.startswith("contrib/examples/") and not name.startswith(INSTALLED):
            self.report.error(source.path, line, f'an example includes "{name}", which is not installed')

    def check_outside(self, source, name, line):
        for pattern, libraries in OUTSIDE_HEADERS:
            if pattern.search(name):
                break
        else:
            return
        owner = self.owner(source)
        if source.is_public_header and not source.path.startswith("tests/"):
            self.report.error(source.path, line, f"<{name}> in a public header; use a .c or _priv.h file")
        elif owner is not None and not owner.outside & libraries:
            self.report.error(source.path, line, f"{owner.name} may not include <{name}>: "
                              f"its OUTSIDE in contrib/cmake/layers.cmake lacks {' or '.join(sorted(libraries))}")

    def check_own_first(self, source, names):
        own = source.path[:-1] + "h"
        if not source.path.endswith(".c") or not (self.root / own).exists():
            return
        names = [n for n in names if n != "Python.h"]
        if not names or names[0] != own:
            self.report.error(source.path, 1, f'"{own}" must be the first include')

    def is_shared(self, name, owner, target):
        """A private header is private because it shows an outside library's types; layers
        that name the same library may share it."""
        if owner is None or target.name not in owner.uses:
            return False
        text = gnlint.blank((self.root / name).read_text(encoding="utf-8"))
        return any(libraries & owner.outside & target.outside
                   for _, header in INCLUDE.findall(text)
                   for pattern, libraries in OUTSIDE_HEADERS if pattern.search(header))

    def is_generated(self, source, name):
        """A private header that the folder's own CMakeLists.txt makes."""
        recipe = self.root / source.folder / "CMakeLists.txt"
        return name.endswith("_priv.h") and "/" not in name and recipe.exists() \
            and name[:-len("_priv.h")] in recipe.read_text(encoding="utf-8")

    def exists(self, name):
        return (self.root / name).exists() or (self.root / (name + ".in")).exists()


def main():
    args = gnlint.arguments(__doc__).parse_args()
    report = gnlint.Report("layers")
    checker = Checker(args.root, report)
    found = gnlint.sources(args.root)
    for source in found:
        checker.check(source)
    return report.exit_code(len(found))


if __name__ == "__main__":
    sys.exit(main())
