#include "eval/unfold_trace.h"

#include <span>

#include "core/error.h"
#include "data/text.h"
#include "eval/prompt.h"
#include "eval/token_text.h"
#include "eval/utf8_stream.h"
#include "models/generate.h"

namespace unfold::eval {
namespace {

constexpr std::string_view kTag = "unfolding";

// The layer meant.
std::int64_t check_request(const LoadedRun& run, const Method& method, std::string_view text,
                           std::string_view question, const UnfoldOptions& options) {
  core::require(run.decoder.gist_levels() > 0, kTag,
                "{}: its model has no gist tokens (gist.chunks is []), so nothing is unfolded: "
                "choose a run trained with gists",
                run.folder.string());
  core::require(!text.empty(), kTag, "the text is empty: give one to compress");
  core::require(!question.empty(), kTag,
                "the question is empty: its last token is what unfolds first, so ask something");
  const std::int64_t layers = run.decoder.config().layers;
  const std::int64_t first = gsa::first_sparse_layer(method.policy);
  core::require(first < layers, kTag, "{}: none of its {} layers selects, as the first would be {}",
                run.folder.string(), layers, first);
  const std::int64_t layer = options.layer == -1 ? layers - 1 : options.layer;
  core::require(layer >= first && layer < layers, kTag,
                "layer {}: choose {} to {}; layers before {} do not select, and the model has {}",
                layer, first, layers - 1, first, layers);
  const std::int64_t kv_heads = run.decoder.attention_shape().kv_heads;
  core::require(options.kv_head >= 0 && options.kv_head < kv_heads, kTag,
                "key/value head {}: choose 0 to {}", options.kv_head, kv_heads - 1);
  core::require(options.max_tokens >= 1, kTag, "{} tokens to generate: choose 1 or more",
                options.max_tokens);
  return layer;
}

}  // namespace

std::vector<std::string> chunk_texts(const models::Prompt& prompt,
                                     const data::Tokenizer& tokenizer) {
  std::vector<std::string> chunks;
  Utf8Stream stream;
  std::string text;
  for (std::int64_t t = 0; t < prompt.suffix; ++t) {
    const auto at = static_cast<std::size_t>(t);
    if (!prompt.part.empty() && prompt.part[at] == gsa::Part::link) continue;
    if (prompt.level[at] < 0) {
      text += stream.push(tokenizer.token_bytes(prompt.tokens[at]));
    } else if (prompt.level[at] == 0) {
      chunks.push_back(std::move(text));
      text.clear();
    }
  }
  if (!chunks.empty()) chunks.back() += stream.finish();
  return chunks;
}

std::vector<std::int64_t> UnfoldTrace::times_unfolded() const {
  std::vector<std::int64_t> times(chunks.size(), 0);
  for (const UnfoldStep& step : steps) {
    for (const std::int32_t chunk : step.chunks) ++times.at(static_cast<std::size_t>(chunk));
  }
  return times;
}

UnfoldTrace trace_unfolding(LoadedRun& run, const Method& method, std::string_view text,
                            std::string_view question, const UnfoldOptions& options) {
  const std::int64_t layer = check_request(run, method, text, question, options);
  const data::Tokenizer& tokenizer = *run.tokenizer;
  const gsa::GistConfig& gist = run.description.gist;
  const models::Prompt prompt =
      PromptBuilder(run, gist).build(method, tokenizer.encode(text), tokenizer.encode(question));
  UnfoldTrace trace;
  const auto absolute = std::filesystem::absolute(run.folder).lexically_normal();
  trace.run = (absolute.has_filename() ? absolute : absolute.parent_path()).filename().string();
  trace.method = method.name;
  trace.layer = layer;
  trace.layers = run.decoder.config().layers;
  trace.kv_head = options.kv_head;
  trace.kv_heads = run.decoder.attention_shape().kv_heads;
  trace.chunks = chunk_texts(prompt, tokenizer);
  trace.question = question;

  // Every query from the last of the question on gives one step.
  models::EngineOptions engine_options;
  engine_options.observe_from = static_cast<std::int64_t>(prompt.tokens.size()) - 1;
  engine_options.observer = [&](const models::SelectedQuery& query,
                                const gsa::SelectionTrace& selection,
                                const std::vector<gsa::CacheSpan>& spans) {
    if (query.layer != layer || query.kv_head != options.kv_head) return;
    core::check(!selection.picks.empty(), kTag, "method {} does not select", method.name);
    UnfoldStep step;
    step.chunks = selection.picks[0];
    step.keys = gsa::count_keys(spans);
    step.scored = selection.scored;
    trace.steps.push_back(std::move(step));
  };
  models::Engine engine(run.decoder, gist, method.policy, engine_options);
  models::GenerateOptions generate_options;
  generate_options.max_tokens = options.max_tokens;
  generate_options.eos = tokenizer.eos();
  const models::Generated generated =
      models::generate(engine, std::span(&prompt, 1), generate_options).front();
  const bool ended = generated.finish == models::FinishReason::eos;
  core::check(trace.steps.size() == generated.tokens.size() + (ended ? 1 : 0), kTag,
              "{} queries for {} tokens", trace.steps.size(), generated.tokens.size());
  Utf8Stream answer;
  for (std::size_t i = 0; i < generated.tokens.size(); ++i) {
    const std::string bytes = token_text(tokenizer, generated.tokens[i]);
    trace.steps[i].token = data::replace_invalid_utf8(bytes);
    trace.answer += answer.push(bytes);
  }
  trace.answer += answer.finish();
  trace.steps.back().end = ended;
  return trace;
}

}  // namespace unfold::eval
