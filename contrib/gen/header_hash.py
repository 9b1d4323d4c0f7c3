#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Finds a perfect hash for the header names listed in server/proto/headers.c.

Prints the multipliers and the slot table to put there after the list has
changed. The unit test of headers.c fails when the table does not fit the list.
"""
import pathlib
import random
import re

SLOTS = 512
SHIFT = 6


def features(name):
    n = len(name)
    return n, name[0] | 32, name[n // 2] | 32, name[n - 1] | 32, name[n - 4 if n > 3 else 0] | 32


def slots_of(feature_list, factors):
    return [(sum(f * m for f, m in zip(fs, factors)) >> SHIFT) % SLOTS for fs in feature_list]


def main():
    source = pathlib.Path(__file__).parents[2] / "server/proto/headers.c"
    names = re.findall(r'GN_LIT_INIT\("([a-z0-9-]+)"\)', source.read_text())
    feature_list = [features(n.encode()) for n in names]
    rng = random.Random(1)
    while True:
        factors = [rng.randrange(1, 4096, 2) for _ in range(5)]
        slots = slots_of(feature_list, factors)
        if len(set(slots)) == len(slots):
            break
    print("factors:", factors)
    table = [0] * SLOTS
    for index, slot in enumerate(slots):
        table[slot] = index + 2  # after GN_HDR_UNSET and GN_HDR_OTHER
    print(", ".join(map(str, table)))


if __name__ == "__main__":
    main()
