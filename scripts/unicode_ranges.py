#!/usr/bin/env python3
"""Writes data/tokenizer/unicode_ranges.h: the classes of characters that the Python `tokenizers`
library splits text by, asked of the library itself, so that both split alike whatever Unicode
version the system's libraries have.

    python3 scripts/unicode_ranges.py > data/tokenizer/unicode_ranges.h
"""
import tokenizers
from tokenizers import Regex, pre_tokenizers

CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def matched_by(pattern):
    split = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
    found = set()
    for first in range(0, len(CODE_POINTS), 4096):
        part = CODE_POINTS[first : first + 4096]
        for _, (begin, end) in split.pre_tokenize_str("".join(map(chr, part))):
            found.update(part[begin:end])
    return found


def taken_for_digits():
    digits = pre_tokenizers.Digits(individual_digits=True)
    return {c for c in CODE_POINTS if len(digits.pre_tokenize_str("x" + chr(c) + "x")) == 3}


def ranges(code_points):
    result = []
    for c in sorted(code_points):
        if result and result[-1][1] == c - 1:
            result[-1][1] = c
        else:
            result.append([c, c])
    return result


def write(name, comment, code_points):
    print(f"// {comment}")
    print(f"inline constexpr CharacterRange {name}[] = {{")
    line = "   "
    for first, last in ranges(code_points):
        entry = f" {{0x{first:X}, 0x{last:X}}},"
        if len(line) + len(entry) > 100:
            print(line)
            line = "   "
        line += entry
    print(line)
    print("};")


print(f"""// Ranges of the classes of characters in data/tokenizer/characters.h.
// Written by scripts/unicode_ranges.py from tokenizers {tokenizers.__version__}; do not edit.
// clang-format off
#pragma once

#include <cstdint>

namespace unfold::data {{

struct CharacterRange {{
  std::uint32_t first;
  std::uint32_t last;
}};
""")
numbers = matched_by(r"\p{N}")
write("kLetters", r"\p{L}", matched_by(r"\p{L}"))
write("kNumbers", r"\p{N}", numbers)
write("kMoreDigits", r"What Digits takes for one beyond \p{N}: it follows a newer Unicode.",
      taken_for_digits() - numbers)
write("kSpaces", r"\s", matched_by(r"\s"))
print("\n}  // namespace unfold::data")
