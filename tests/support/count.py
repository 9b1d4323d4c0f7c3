# SPDX-License-Identifier: MIT
"""Adds up what tests/run left in its results folder.

Sources: ctest's JUnit files (a test program that prints Criterion's last line,
or that of the wire scenarios, counts by its cases, any other test as one), the last lines of end-to-end runs,
and the results that tests/run recorded itself.
"""

import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

SYNTHESIS = re.compile(r"Synthesis: Tested: (\d+) \| Passing: (\d+) \| Failing: (\d+) \| Crashing: (\d+)"
                       r"(?: \| Skipped: (\d+))?")
SCENARIOS = re.compile(r"^(\d+) scenarios, (\d+) failures", re.MULTILINE)
E2E = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?\s*$", re.MULTILINE)
COLOUR = re.compile(r"\x1b\[[0-9;]*m|\[NON-XML-CHAR-0x1B\]\[[0-9;]*m")


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []
        self.skips = []

    def add(self, passed, failed, skipped=0):
        self.passed += passed
        self.failed += failed
        self.skipped += skipped

    def fail(self, name, count=1):
        self.failed += count
        self.failures.append(name)


def add_case(tally, stage, case):
    """One ctest entry."""
    name = f"{stage}: {case.get('name')}"
    output = COLOUR.sub("", case.findtext("system-out") or "")
    status = case.get("status")
    if status in ("notrun", "disabled"):
        tally.skipped += 1
        reason = re.search(r"skipped: (.*)", output)
        tally.skips.append(name + (f" ({reason.group(1)})" if reason else ""))
        return
    parts = [tuple(int(n or 0) for n in m.groups()) for m in SYNTHESIS.finditer(output)]
    for total, wrong in SCENARIOS.findall(output):
        parts.append((int(total), int(total) - int(wrong), int(wrong), 0, 0))
    failed = sum(p[2] for p in parts)  # crashes are among them
    tally.passed += sum(p[1] for p in parts) if parts else int(status == "run")
    tally.skipped += sum(p[4] for p in parts)
    if status == "run":
        return
    # A leak, a race or a crash fails a program whose cases all passed.
    tally.fail(name, max(failed, 1))


def add_junit(tally, path):
    stage = path.stem
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        add_case(tally, stage, case)


def add_e2e(tally, path):
    stage = path.name.split(".")[0]
    found = E2E.findall(path.read_text(encoding="utf-8", errors="replace"))
    if not found:
        tally.fail(f"{stage}: end to end (ended without its sum)")
        return
    passed, failed, skipped = (int(n or 0) for n in found[-1])
    tally.add(passed, 0, skipped)
    if failed:
        tally.fail(f"{stage}: end to end ({failed})", failed)


def add_recorded(tally, path):
    for line in path.read_text(encoding="utf-8").splitlines():
        stage, what, result = line.split()
        if result == "passed":
            tally.passed += 1
        else:
            tally.fail(f"{stage}: {what}")


def main():
    results = Path(sys.argv[1])
    tally = Tally()
    for path in sorted(results.glob("*.xml")):
        add_junit(tally, path)
    for path in sorted(results.glob("*.e2e.log")):
        add_e2e(tally, path)
    add_recorded(tally, results / "recorded")
    for name in tally.skips:
        print(f"skipped  {name}")
    for name in tally.failures:
        print(f"FAILED   {name}")
    tail = f", {tally.skipped} skipped" if tally.skipped else ""
    print(f"{tally.passed} passed, {tally.failed} failed{tail}")
    return 1 if tally.failed or not tally.passed else 0


if __name__ == "__main__":
    sys.exit(main())
