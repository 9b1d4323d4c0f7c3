# SPDX-License-Identifier: MIT
"""The product's translation units, from compile_commands.json."""

import json
from pathlib import Path

import gnlint

PRODUCT = ("server/", "bridge/", "wsgi/", "web/", "deploy/")


def product_units(root, build):
    """compile_commands.json's entries for our C sources, tests left out, one per file."""
    database = Path(build) / "compile_commands.json"
    if not database.exists():
        raise SystemExit(f"{database} is missing; configure the build first")
    units = {}
    for entry in json.loads(database.read_text(encoding="utf-8")):
        path = Path(entry["directory"], entry["file"]).resolve()
        if path.suffix == ".c" and path.is_relative_to(root) \
                and path.relative_to(root).as_posix().startswith(PRODUCT):
            units.setdefault(path, entry)
    return [units[path] for path in sorted(units)]


def arguments(description):
    parser = gnlint.arguments(description)
    parser.add_argument("--build", type=Path, required=True, help="a configured build folder")
    parser.add_argument("--jobs", type=int, default=2)
    return parser
