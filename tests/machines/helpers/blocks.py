#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Prints the commands of a document's code blocks, for a shell: PLACE NUL COMMAND NUL, and so on.

usage: blocks.py FILE

Every block of commands ("```sh") must be preceded by a comment that says where they are run: <!-- on: PLACE -->. A command
goes on in the next line after a backslash. A block without a place is an error, so no command escapes the test.
"""

import re
import sys

PLACE = re.compile(r"^<!-- on: (.+) -->$")


def commands(lines):
    place, inside, command = None, False, ""
    for number, line in enumerate(lines, 1):
        line = line.rstrip("\n")
        if not inside:
            found = PLACE.match(line)
            if found:
                place = found.group(1)
            elif line.startswith("```sh"):
                if place is None:
                    sys.exit(f"line {number}: the block does not say where it is run")
                inside = True
            elif line.strip():
                place = None
        elif line.startswith("```"):
            inside, place = False, None
        elif line.endswith("\\"):
            command += line[:-1]
        elif line.strip():
            yield place, " ".join((command + line).split())
            command = ""


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        found = list(commands(file))
    if not found:
        sys.exit("there is no command")
    for place, command in found:
        sys.stdout.write(f"{place}\0{command}\0")


main()
