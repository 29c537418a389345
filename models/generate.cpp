#include "models/generate.h"

#include <algorithm>

#include "models/stop_strings.h"

namespace unfold::models {
namespace {

// One prompt on its way.
struct Running {
  std::int64_t prompt = 0;
  std::int64_t sequence = 0;
  core::Random random;
  StopStrings stop;
};

}  // namespace

std::vector<Generated> generate(Engine& engine, std::span<const Prompt> prompts,
                                const GenerateOptions& options, const OnToken& on_token) {
  core::check(options.stop.empty() || options.text_of, "generate",
              "stop strings without the text of tokens");
  std::vector<Generated> results(prompts.size());
  if (options.max_tokens <= 0 || prompts.empty()) return results;
  const Engine::Started started = engine.prefill(prompts);
  std::vector<float> logits = started.logits.to_vector<float>();
  const auto classes = static_cast<std::size_t>(started.logits.dim(1));
  std::vector<Running> running;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    const auto index = static_cast<std::int64_t>(i);
    running.push_back({index, started.first + index,
                       core::Random(options.sampling.seed, static_cast<std::uint64_t>(i)),
                       StopStrings(options.stop)});
  }
  while (!running.empty()) {
    std::vector<Engine::Continuation> next;
    std::vector<Running> still;
    for (std::size_t i = 0; i < running.size(); ++i) {
      Running& one = running[i];
      Generated& result = results[static_cast<std::size_t>(one.prompt)];
      const std::int32_t token =
          sample(std::span(logits).subspan(i * classes, classes), options.sampling, one.random);
      bool ended = token == options.eos ||
                   std::find(options.more_eos.begin(), options.more_eos.end(), token) !=
                       options.more_eos.end();
      if (ended) {
        result.finish = FinishReason::eos;
      } else {
        result.tokens.push_back(token);
        if (on_token) on_token(one.prompt, token);
        if (!options.stop.empty()) result.stop_bytes = one.stop.push(options.text_of(token));
        if (result.stop_bytes > 0) result.finish = FinishReason::stop;
        ended = result.stop_bytes > 0 ||
                static_cast<std::int64_t>(result.tokens.size()) == options.max_tokens;
      }
      if (ended) {
        engine.release(one.sequence);
        continue;
      }
      next.push_back({one.sequence, {token}});
      still.push_back(std::move(one));
    }
    running = std::move(still);
    if (!running.empty()) logits = engine.extend(next).to_vector<float>();
  }
  return results;
}

}  // namespace unfold::models
