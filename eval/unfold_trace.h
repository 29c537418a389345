// What a model unfolds while it answers: a document, a question, and for every generated token the
// chunks that the query it came from picked, in one layer and key/value head (METHOD.md section 7).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "eval/loaded_run.h"
#include "eval/method.h"
#include "models/prompt.h"

namespace unfold::eval {

struct UnfoldOptions {
  std::int64_t layer = -1;  // -1: the last
  std::int64_t kv_head = 0;
  std::int64_t max_tokens = 16;
};

// A generated token, and what the query in front of it read: the last token of the question for the
// first one, else the token before it.
struct UnfoldStep {
  std::string token;                 // valid UTF-8: parts of characters are U+FFFD
  bool end = false;                  // the model ended here; token is empty
  std::vector<std::int32_t> chunks;  // unfolded, ascending: picks of the query heads, united
  std::int64_t keys = 0;             // read in all
  std::int64_t scored = 0;           // gists scored, summed over the query heads
};

struct UnfoldTrace {
  std::string run;     // name of its folder
  std::string method;  // "gsa", "h_gsa"
  std::int64_t layer = 0;
  std::int64_t layers = 0;
  std::int64_t kv_head = 0;
  std::int64_t kv_heads = 0;
  // Text of the chunks: joined, the document. A character that two chunks share is the later one's.
  std::vector<std::string> chunks;
  std::string question;
  std::string answer;
  std::vector<UnfoldStep> steps;  // one a generated token, and one for the end if it came

  // How many steps unfolded each chunk.
  std::vector<std::int64_t> times_unfolded() const;
};

// The text of the chunks of a prompt, as UnfoldTrace::chunks.
std::vector<std::string> chunk_texts(const models::Prompt& prompt,
                                     const data::Tokenizer& tokenizer);

// Compresses the text, generates greedily behind the question, and keeps what was unfolded.
// method: one that selects among gists, with its selection and first layer.
// Throws core::UserError: a run without gists, an empty text or question, a layer that does not
// select or that the model has not, a head it has not, fewer than one token.
UnfoldTrace trace_unfolding(LoadedRun& run, const Method& method, std::string_view text,
                            std::string_view question, const UnfoldOptions& options = {});

}  // namespace unfold::eval
