# SPDX-License-Identifier: MIT
"""What the checkers share: finding sources, blanking comments, reporting."""

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

SKIPPED = 77  # ctest's SKIP_RETURN_CODE

SOURCE_FOLDERS = ("server", "bridge", "wsgi", "web", "deploy", "tests", "contrib")
IGNORED_FOLDERS = {"build", ".git", ".cache", "__pycache__", ".venv", "node_modules"}


class Source:
    """One file: its path relative to the root, and its text."""

    def __init__(self, root, path):
        self.path = path.relative_to(root).as_posix()
        self.folder = os.path.dirname(self.path)
        self.text = path.read_text(encoding="utf-8", errors="replace")

    @property
    def is_private_header(self):
        return self.path.endswith("_priv.h")

    @property
    def is_public_header(self):
        return self.path.endswith(".h") and not self.is_private_header


class Report:
    """Collects what is wrong; exit_code() prints it, one line each, as compilers do."""

    def __init__(self, name):
        self.name = name
        self.errors = []
        self.warnings = []

    def error(self, path, line, text):
        self.errors.append(f"{path}:{line}: error: {text}")

    def warn(self, path, line, text):
        self.warnings.append(f"{path}:{line}: warning: {text}")

    def exit_code(self, checked):
        for line in self.warnings + self.errors:
            print(line)
        print(f"{self.name}: {checked} checked, {len(self.errors)} errors, {len(self.warnings)} warnings")
        return 1 if self.errors else 0


def skip(name, reason):
    print(f"{name}: skipped: {reason}")
    sys.exit(SKIPPED)


def find_pinned(checker, version, *names):
    """The first of these tools that is of that version; else the test is skipped. Other
    versions find other things, and what they say must not depend on the machine."""
    seen = []
    for name in names:
        path = shutil.which(name)
        if path is None:
            continue
        output = subprocess.run([path, "--version"], text=True, capture_output=True, check=True).stdout
        found = re.search(r"(\d+(?:\.\d+)*)", output).group(1)
        if found == version or found.startswith(version + "."):
            return path
        seen.append(f"{path} is version {found}")
    return skip(checker, f"{names[-1]} {version} is not installed" + "".join(f"; {s}" for s in seen))


def arguments(description):
    """A parser that knows --root; checkers add what they need."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2],
                        help="root of the tree to check")
    return parser


def walk(root, suffixes):
    """The files below the source folders that end in one of `suffixes`, sorted."""
    found = []
    for top in SOURCE_FOLDERS:
        for folder, names, files in os.walk(root / top):
            names[:] = sorted(n for n in names
                              if n not in IGNORED_FOLDERS and not n.startswith("build-"))
            found += [Path(folder) / f for f in sorted(files) if f.endswith(suffixes)]
    return found


def sources(root, suffixes=(".c", ".h")):
    return [Source(root, path) for path in walk(root, suffixes)]


TOKEN = re.compile(
    r"(?P<comment>/\*.*?\*/|//[^\n]*)"
    r"|(?P<string>\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*')",
    re.DOTALL)


def blank(text, strings=False):
    """`text` without comments (and the insides of strings), line numbers unchanged."""
    def replace(match):
        if match.lastgroup == "string" and not strings:
            return match.group()
        return re.sub(r"[^\n]", " ", match.group())
    return TOKEN.sub(replace, text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1
