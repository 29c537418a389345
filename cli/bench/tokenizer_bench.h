// Speed of the tokenizer: training a vocabulary, and encoding on one core.
#pragma once

#include <cstdint>
#include <string>

#include "cli/bench/section.h"

namespace unfold::cli::bench {

// text: a file to train and encode; empty: `bytes` of invented words whose frequencies fall as
// those of natural text do (Zipf).
Section tokenizer_section(const std::string& text, std::int64_t bytes, double seconds);

// Invented text of about `bytes` bytes; the same at every call.
std::string invented_text(std::int64_t bytes);

}  // namespace unfold::cli::bench
