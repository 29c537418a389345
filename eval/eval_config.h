// What `unfold eval` runs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace unfold::eval {

struct EvalConfig {
  // perplexity (on data.val), recall, passkey, multikey (generated, data/synthetic.h).
  std::vector<std::string> tasks = {"perplexity"};
  // full, gist.
  std::vector<std::string> methods = {"full", "gist"};
  std::int64_t rows = 32;      // rows of data.val for perplexity
  std::int64_t samples = 200;  // samples a generated task
  std::int64_t context = 512;  // raw context tokens of a generated sample
};

}  // namespace unfold::eval
