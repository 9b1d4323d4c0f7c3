#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every public header compiles alone, and twice, as plain C11.

No feature macro is defined: an author's program that includes an installed
header need not define one either.
"""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import gnlint

FLAGS = ("-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Wstrict-prototypes", "-Werror",
         "-fsyntax-only", "-x", "c", "-")
TEST_HEADERS = ("tests/", "contrib/")


def compile_alone(compiler, root, path):
    program = f'#include "{path}"\n#include "{path}"\nextern int gn_not_empty;\n'
    done = subprocess.run([*compiler, f"-I{root}", *FLAGS], input=program, text=True,
                          capture_output=True, cwd=root, check=False)
    return done.stderr if done.returncode != 0 else ""


def main():
    parser = gnlint.arguments(__doc__)
    parser.add_argument("--compiler", default="cc")
    args = parser.parse_args()
    report = gnlint.Report("headers")
    paths = [s.path for s in gnlint.sources(args.root, (".h",))
             if s.is_public_header and not s.path.startswith(TEST_HEADERS)]
    with ThreadPoolExecutor(2) as pool:
        outputs = pool.map(lambda p: compile_alone(args.compiler.split(), args.root, p), paths)
        for path, output in zip(paths, outputs):
            if output:
                report.error(path, 1, "does not compile alone:\n" + output.rstrip())
    return report.exit_code(len(paths))


if __name__ == "__main__":
    sys.exit(main())
