// What `unfold eval` runs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace unfold::eval {

struct EvalConfig {
  // perplexity (on data.val), recall, passkey, multikey (generated, data/synthetic.h).
  std::vector<std::string> tasks = {"perplexity"};
  // Of gsa/policies/policy.h.
  std::vector<std::string> methods = {"full", "gist_only"};
  // For methods that choose what they read: they attend to 1 / ratio of the context; 0: the rho of
  // the gists.
  double ratio = 0;
  std::int64_t rows = 32;      // rows of data.val for perplexity
  std::int64_t samples = 200;  // samples a generated task
  std::int64_t context = 512;  // raw context tokens of a generated sample
  // Folder of jieba's files, for LongBench in Chinese; empty: where load_chinese_words() looks.
  std::string jieba;
};

}  // namespace unfold::eval
