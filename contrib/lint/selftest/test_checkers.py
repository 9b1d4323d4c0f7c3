# SPDX-License-Identifier: MIT
"""Each checker is silent on a clean tree and speaks up on a planted violation."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

LINT = Path(__file__).resolve().parents[1]
ROOT = LINT.parents[1]
SPDX = "/* SPDX-License-Identifier: MIT */\n"

TABLE = """
gn_layer(gn_server_base server/base)
gn_layer(gn_server_loop server/loop
    USES gn_server_base
    OUTSIDE Libev::Libev)
gn_layer(gn_web web
    USES gn_server_base)
gn_layer(gn_more server/more
    USES gn_server_loop
    OUTSIDE Libev::Libev)
"""


def header(path, body):
    guard = "GN_" + path.upper().replace("/", "_").replace(".", "_")
    return f"{SPDX}#ifndef {guard}\n#define {guard}\n\n{body}\n#endif\n"


CLEAN = {
    "contrib/cmake/layers.cmake": TABLE,
    "server/base/slice.h": header("server/base/slice.h", "int gn_slice_len(int n);\n"),
    "server/base/slice.c": SPDX + '#include "server/base/slice.h"\n\n'
                           "int gn_slice_len(int n)\n{\n    return n;\n}\n",
    "server/loop/loop.h": header("server/loop/loop.h", '#include "server/base/slice.h"\n'),
    "server/loop/loop_priv.h": header("server/loop/loop_priv.h", "#include <ev.h>\n"),
    "server/loop/loop.c": SPDX + '#include "server/loop/loop.h"\n\n#include <ev.h>\n\n'
                          '#include "server/loop/loop_priv.h"\n',
    "web/page.h": header("web/page.h", '#include "server/base/slice.h"\n'),
    "tests/server/loop/test_loop.c": SPDX + '#include "tests/support/test.h"\n\n'
                                     '#include "server/loop/loop_priv.h"\n',
    "tests/support/test.h": header("tests/support/test.h", "int test;\n"),
}


def long_function(n_lines):
    return SPDX + "void f(void)\n{\n" + "    ;\n" * n_lines + "}\n"


def nested_function(n_levels):
    body = "".join("    " * n + "    if (x) {\n" for n in range(n_levels))
    body += "".join("    " * n + "    }\n" for n in reversed(range(n_levels)))
    return SPDX + "void f(void)\n{\n" + body + "}\n"


# checker -> list of (what, file, content, part of the message)
PLANTED = {
    "layers": [
        ("upward include", "server/base/up.c", '#include "server/loop/loop.h"\n', "lacks gn_server_loop"),
        ("upward include in angle brackets", "server/base/up.c", "#include <server/loop/loop.h>\n",
         "lacks gn_server_loop"),
        ("sideways include", "web/up.h", '#include "server/loop/loop.h"\n', "lacks gn_server_loop"),
        ("upward include in a test", "tests/server/base/test_up.c", '#include "server/loop/loop.h"\n',
         "lacks gn_server_loop"),
        ("foreign private header", "web/peek.c", '#include "server/base/x_priv.h"\n', "is private to"),
        ("libev outside loop", "web/ev.c", "#include <ev.h>\n", "lacks Libev::Libev"),
        ("libev in a public header", "server/loop/pub.h", "#include <ev.h>\n", "in a public header"),
        ("Python.h by another path", "web/py.c", "  #  include <python3.11/Python.h>\n", "lacks Python3::Python"),
        ("relative include", "web/rel.c", '#include "page.h"\n', "no path from the root"),
        ("missing header", "web/miss.c", '#include "web/none.h"\n', "no path from the root"),
        ("test header in product code", "web/t.c", '#include "tests/support/test.h"\n', "product code"),
        ("own header not first", "server/loop/loop.c", '#include <ev.h>\n#include "server/loop/loop.h"\n',
         "must be the first include"),
        ("uninstalled header in an example", "contrib/examples/e.c", '#include "wsgi/container.h"\n',
         "no path from the root"),
    ],
    "banned": [
        ("strcpy", "web/a.c", "void f(void) { strcpy(a, b); }\n", "strcpy() is banned"),
        ("select over two lines", "web/a.c", "int r = select\n(1);\n", "select() is banned"),
        ("malloc above base", "web/a.c", "void *p = malloc(1);\n", "malloc() is banned"),
        ("excuse without reason", "web/a.c", "free(p); /* lint: allow free: */\n", "free() is banned"),
        ("excuse for another call", "web/a.c", "free(p); /* lint: allow malloc: reason */\n", "free() is banned"),
    ],
    "sizes": [
        ("long function", "web/a.c", long_function(71), "f has 71 lines"),
        ("deep nesting", "web/a.c", nested_function(5), "f nests 5 deep"),
        ("long file", "web/a.c", SPDX + "int x;\n" * 800, "801 lines"),
    ],
    "files": [
        ("no licence", "web/a.h", "#ifndef GN_WEB_A_H\n#define GN_WEB_A_H\n#endif\n", "first line"),
        ("wrong guard", "web/a.h", header("web/b.h", ""), "guard must be GN_WEB_A_H"),
        ("no header", "web/a.c", SPDX, "web/a.h is missing"),
        ("not in README", "server/base/README.md", "`list`\n", "base/README.md does not name `slice`"),
        ("nor in that above", "server/README.md", "`loop*` and `*`\n", "README.md does not name `slice`"),
    ],
    "headers": [
        ("not self-contained", "web/a.h", header("web/a.h", "size_t gn_n(void);\n"), "does not compile alone"),
        ("no guard", "web/a.h", "struct gn_a {\n    int x;\n};\n", "does not compile alone"),
        ("GNU extension", "web/a.h", header("web/a.h", "struct gn_a {\n    int n[0];\n};\n"), "does not compile"),
    ],
    "format": [
        ("two spaces", "web/a.c", SPDX + "int f(void)\n{\n  return 1;\n}\n", "clang-format-violations"),
    ],
}
ACCEPTED = {
    "banned": [
        ("in a comment", "web/a.c", "/* strcpy(a, b) */ // gets(s)\n"),
        ("in a string", "web/a.c", 'const char *s = "strcpy(a, \\"b\\")";\n'),
        ("as a member", "web/a.c", "int f(void)\n{\n    return x->select(1) + y.free(2);\n}\n"),
        ("re-entrant sibling", "web/a.c", "int r = strerror_r(1, b, n);\n"),
        ("malloc in base", "server/base/slice.c", '#include "server/base/slice.h"\nvoid *p = malloc(1);\n'),
        ("excused", "web/a.c", "/* lint: allow free: jansson's memory */\nfree(p);\n"),
    ],
    "sizes": [
        ("function at the limit", "web/a.c", long_function(70)),
        ("nesting at the limit", "web/a.c", nested_function(4)),
        ("file at the limit", "web/a.c", SPDX + "int x;\n" * 799),
    ],
    "layers": [
        ("outside header in a test's header", "tests/server/loop/fixture.h", "#include <ev.h>\n"),
        ("in a comment", "web/a.c", '/*\n#include "server/loop/loop.h"\n*/\n'),
        ("private header that shows what both name", "server/more/a.c",
         '#include "server/loop/loop_priv.h"\n'),
        ("public header in an example", "contrib/examples/e.c", '#include "web/page.h"\n'),
    ],
}


class Checkers(unittest.TestCase):
    def setUp(self):
        self.root = Path(tempfile.mkdtemp(prefix="gn-lint-"))
        self.addCleanup(shutil.rmtree, self.root)
        for path, text in CLEAN.items():
            self.write(path, text)
        shutil.copy(ROOT / ".clang-format", self.root)

    def write(self, path, text):
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def run_checker(self, name):
        return subprocess.run([sys.executable, str(LINT / f"{name}.py"), "--root", str(self.root)],
                              capture_output=True, text=True, check=False)

    def run_or_skip(self, name):
        done = self.run_checker(name)
        if done.returncode == 77:
            self.skipTest(done.stdout.strip())
        return done

    def test_silent_on_a_clean_tree(self):
        for name in PLANTED:
            with self.subTest(checker=name):
                done = self.run_or_skip(name)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_speaks_up(self):
        for name, cases in PLANTED.items():
            for what, path, text, message in cases:
                with self.subTest(checker=name, what=what):
                    self.plant(name, path, text, 1, message)

    def test_accepts(self):
        for name, cases in ACCEPTED.items():
            for what, path, text in cases:
                with self.subTest(checker=name, what=what):
                    self.plant(name, path, text, 0, "")

    def plant(self, name, path, text, exit_code, message):
        before = CLEAN.get(path)
        if "_priv.h" in text:
            self.write("server/base/x_priv.h", header("server/base/x_priv.h", ""))
        self.write(path, text)
        done = self.run_or_skip(name)
        if before is None:
            os.remove(self.root / path)
        else:
            self.write(path, before)
        output = done.stdout + done.stderr
        self.assertEqual(done.returncode, exit_code, output)
        self.assertIn(message, output)


class Compiled(unittest.TestCase):
    """Checkers that look at objects or need compile commands."""

    def setUp(self):
        self.root = Path(tempfile.mkdtemp(prefix="gn-lint-"))
        self.addCleanup(shutil.rmtree, self.root)

    def compile(self, text):
        source, output = self.root / "a.c", self.root / "a.o"
        source.write_text(text, encoding="utf-8")
        subprocess.run(["cc", "-c", str(source), "-o", str(output)], check=True)
        return output

    def no_python(self, text):
        return subprocess.run([sys.executable, str(LINT / "no_python.py"), str(self.compile(text))],
                              capture_output=True, text=True, check=False)

    def test_no_python_accepts_other_symbols(self):
        done = self.no_python("void Pyramid_build(void); void f(void) { Pyramid_build(); }\n")
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_no_python_refuses_a_declaration_by_hand(self):
        done = self.no_python("void PyErr_Clear(void); void f(void) { PyErr_Clear(); }\n")
        self.assertEqual(done.returncode, 1)
        self.assertIn("PyErr_Clear", done.stdout)

    def analyse(self, name, text):
        source = self.root / "web/a.c"
        source.parent.mkdir(exist_ok=True)
        source.write_text(text, encoding="utf-8")
        shutil.copy(ROOT / ".clang-tidy", self.root)
        command = f'cc -c {source} -o a.o'
        (self.root / "compile_commands.json").write_text(
            f'[{{"directory": "{self.root}", "file": "{source}", "command": "{command}"}}]', encoding="utf-8")
        done = subprocess.run([sys.executable, str(LINT / f"{name}.py"), "--root", str(self.root),
                               "--build", str(self.root)], capture_output=True, text=True, check=False)
        if done.returncode == 77:
            self.skipTest(done.stdout.strip())
        return done

    def test_tidy(self):
        clean = "int f(int x);\n\nint f(int x)\n{\n    if (x > 0) {\n        return 1;\n    }\n    return 0;\n}\n"
        self.assertEqual(self.analyse("tidy", clean).returncode, 0)
        done = self.analyse("tidy", clean.replace(" {\n        return 1;\n    }", "\n        return 1;"))
        self.assertEqual(done.returncode, 1)
        self.assertIn("braces-around-statements", done.stdout)

    def test_cppcheck(self):
        clean = "int f(void);\n\nint f(void)\n{\n    int a[2] = {0, 1};\n\n    return a[1];\n}\n"
        self.assertEqual(self.analyse("cppcheck", clean).returncode, 0)
        done = self.analyse("cppcheck", clean.replace("return a[1]", "return a[2]"))
        self.assertEqual(done.returncode, 1)
        self.assertIn("arrayIndexOutOfBounds", done.stderr)


if __name__ == "__main__":
    unittest.main()
