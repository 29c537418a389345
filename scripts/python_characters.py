#!/usr/bin/env python3
"""Writes eval/metrics/python_characters_table.h: what Python's str and re know of characters, asked
of Python itself, so that the metrics see text as the official Python code does.

    python3 scripts/python_characters.py > eval/metrics/python_characters_table.h
"""
import re
import sys
import unicodedata

CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
SIGMA = "\u03a3"  # its small form depends on what stands around it


def ranges(wanted):
    result = []
    for c in CODE_POINTS:
        if wanted(chr(c)):
            if result and result[-1][1] == c - 1:
                result[-1][1] = c
            else:
                result.append([c, c])
    return result


def final(text):
    return text.lower().endswith("\u03c2")


def lower_runs():
    """[first, last, step, delta]: c is in it when (c - first) % step == 0, and becomes c + delta."""
    result = []
    for c in CODE_POINTS:
        small = chr(c).lower()
        if len(small) != 1:
            assert c == 0x130 and small == "i\u0307", hex(c)  # the one special case, in the code
            continue
        delta = ord(small) - c
        if delta == 0:
            continue
        if result and result[-1][3] == delta:
            run = result[-1]
            step = c - run[1]
            if step <= 2 and (run[0] == run[1] or run[2] == step):
                run[1], run[2] = c, step
                continue
        result.append([c, c, 1, delta])
    return result


def write(kind, name, comment, rows):
    print(f"// {comment}")
    print(f"inline constexpr {kind} {name}[] = {{")
    line = "   "
    for row in rows:
        entry = " {" + ", ".join(row) + "},"
        if len(line) + len(entry) > 100:
            print(line)
            line = "   "
        line += entry
    print(line)
    print("};")


def write_ranges(name, comment, wanted):
    write("PythonRange", name, comment, [(f"0x{a:X}", f"0x{b:X}") for a, b in ranges(wanted)])


word, digit = re.compile(r"\w"), re.compile(r"\d")
print(f"""// Classes and small letters of characters, for eval/metrics/python_text.cpp alone.
// Written by scripts/python_characters.py of Python {sys.version_info.major}.{sys.version_info.minor} \
(Unicode {unicodedata.unidata_version}); do not edit.
// clang-format off
#pragma once

#include <cstdint>

namespace unfold::eval {{

struct PythonRange {{
  std::uint32_t first;
  std::uint32_t last;
}};

// Every step-th character from first to last becomes itself + delta.
struct PythonLowerRun {{
  std::uint32_t first;
  std::uint32_t last;
  std::uint32_t step;
  std::int32_t delta;
}};
""")
write_ranges("kPythonSpaces", "str.isspace(), and what str.split() splits at.", str.isspace)
write_ranges("kPythonDigits", r"\d of re.", digit.match)
write_ranges("kPythonWords", r"\w of re.", word.match)
write_ranges("kPythonCased", "Cased, and not skipped around a capital sigma.",
             lambda c: final(c + SIGMA))
write_ranges("kPythonCaseIgnorable", "Skipped around a capital sigma.",
             lambda c: final("A" + c + SIGMA) and not final(c + SIGMA))
write("PythonLowerRun", "kPythonLower", "str.lower() of single characters; U+0130 becomes two.",
      [(f"0x{a:X}", f"0x{b:X}", str(step), str(delta)) for a, b, step, delta in lower_runs()])
print("\n}  // namespace unfold::eval")
