#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""clang-tidy over the product's sources, by the .clang-tidy at the root.

With --cache DIR a source whose preprocessed text, flags and configuration are
those of an earlier clean run is not analysed again.
"""

import hashlib
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import commands
import gnlint

VERSION = "14"
NOISE = re.compile(r"^\d+ warnings? |^Suppressed |^Use -header-filter|^\d+ warnings? treated")
# gcc knows these, clang's driver does not.
GCC_ONLY = ("-ffat-lto-objects", "-flto=auto")


def compile_flags(entry):
    """The entry's flags, without output and input."""
    words = entry["command"].split()
    flags = []
    skip_next = False
    for word in words[1:]:
        if skip_next:
            skip_next = False
        elif word in ("-o", "-MF", "-MT", "-MQ"):
            skip_next = True
        elif word not in ("-c", "-MD", "-MMD", entry["file"], *GCC_ONLY):
            flags.append(word.replace('\\"', '"'))
    return flags


class Tidy:
    def __init__(self, root, tool, cache):
        self.root = root
        self.tool = tool
        self.cache = cache
        self.config = (root / ".clang-tidy").read_bytes()

    def key(self, entry, flags):
        """What the result depends on. NOLINT comments count, so the sources do too."""
        lister = subprocess.run(["clang", *flags, "-MM", entry["file"]], cwd=entry["directory"],
                                capture_output=True, text=True, check=False)
        digest = hashlib.sha256(self.config + " ".join(flags).encode())
        for name in lister.stdout.replace("\\\n", " ").split()[1:]:
            path = Path(entry["directory"], name)
            digest.update(path.read_bytes() if path.exists() else b"?")
        return digest.hexdigest()

    def run(self, entry):
        flags = compile_flags(entry)
        stamp = self.cache / self.key(entry, flags) if self.cache else None
        if stamp is not None and stamp.exists():
            return ""
        done = subprocess.run([self.tool, "--quiet", entry["file"], "--", *flags], cwd=entry["directory"],
                              capture_output=True, text=True, check=False)
        if done.returncode == 0:
            if stamp is not None:
                stamp.touch()
            return ""
        lines = (done.stdout + done.stderr).splitlines()
        return "\n".join(l for l in lines if not NOISE.search(l))


def main():
    parser = commands.arguments(__doc__)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("files", nargs="*", help="only sources whose path ends like one of these")
    args = parser.parse_args()
    tool = gnlint.find_pinned("tidy", VERSION, f"clang-tidy-{VERSION}", "clang-tidy")
    if args.cache:
        args.cache.mkdir(parents=True, exist_ok=True)
    units = [u for u in commands.product_units(args.root, args.build)
             if not args.files or u["file"].endswith(tuple(args.files))]
    tidy = Tidy(args.root, tool, args.cache)
    n_bad = 0
    with ThreadPoolExecutor(args.jobs) as pool:
        for output in pool.map(tidy.run, units):
            if output:
                n_bad += 1
                print(output, flush=True)
    print(f"tidy: {len(units)} checked, {n_bad} with findings")
    return 1 if n_bad else 0


if __name__ == "__main__":
    sys.exit(main())
