// unfold bench decode: decoding with random weights behind a long random prompt.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/bench/section.h"
#include "cli/config/config.h"

namespace unfold::cli::bench {

struct DecodeBenchOptions {
  std::vector<std::int64_t> contexts = {4096, 16384};  // raw tokens of the prompt's context
  std::vector<std::string> methods = {"full", "gsa", "h_gsa"};
  std::int64_t batch = 1;    // sequences decoded together
  double ratio = 8;          // methods that choose read 1 / ratio of the context; 0: of the gists
  std::int64_t tokens = 32;  // timed ones a sequence
};

// One row a context and method, on config.run.device in config.train.dtype: a prompt of a random
// context (with the gists of the config for methods that read them) and kQuestion raw tokens is
// prefilled, sequence by sequence; then tokens are fed one by one to all sequences at once. The
// time of a token is that of the host, until its logits are there, as sampling needs them.
// h_gsa needs no levels beyond one; with one it is gsa.
// Throws core::UserError: no vocabulary, no such device or method, gist methods without gists.
Section decode_section(const Config& config, const DecodeBenchOptions& options);

inline constexpr std::int64_t kQuestion = 16;

}  // namespace unfold::cli::bench
