#include "cli/bench/decode_bench.h"

#include <fmt/core.h>

#include "cli/bench/timing.h"
#include "core/device_clock.h"
#include "core/error.h"
#include "core/log.h"
#include "core/random.h"
#include "eval/method.h"
#include "gsa/insertion.h"
#include "models/engine.h"

namespace unfold::cli::bench {
namespace {

constexpr std::int64_t kLongestContext = std::int64_t{1} << 22;
constexpr int kWarmUpTokens = 3;

void check(const Config& config, const DecodeBenchOptions& options) {
  core::require(config.model.vocab_size > 0, "bench",
                "model.vocab_size is 0, and a bench reads no tokenizer: set model.vocab_size");
  for (const std::int64_t context : options.contexts) {
    core::require(context >= 1 && context <= kLongestContext, "bench",
                  "--context {}: choose 1 to {} tokens", context, kLongestContext);
  }
  core::require(!options.methods.empty(), "bench", "--methods is empty: name some");
  core::require(options.batch >= 1 && options.batch <= 4096, "bench",
                "--batch {}: choose 1 to 4096 sequences", options.batch);
  core::require(options.ratio == 0 || (options.ratio >= 1 && options.ratio <= 1e6), "bench",
                "--ratio {}: choose 1 or more, or 0 for the ratio of the gists", options.ratio);
  core::require(options.tokens >= 1 && options.tokens <= 100'000, "bench",
                "--tokens {}: choose 1 to 100000", options.tokens);
}

// Random tokens below a vocabulary.
class Tokens {
 public:
  Tokens(std::int64_t vocab_size, std::uint64_t stream)
      : vocab_size_(static_cast<std::uint32_t>(vocab_size)), random_(1, stream) {}
  std::int32_t next() { return static_cast<std::int32_t>(random_.below(vocab_size_)); }

 private:
  std::uint32_t vocab_size_;
  core::Random random_;
};

models::Prompt random_prompt(const Config& config, bool gists, std::int64_t context,
                             std::uint64_t stream) {
  gsa::GistConfig gist = config.gist;
  gist.rule = gsa::InsertionRule::count;  // random tokens are no words
  if (!gists) gist.chunks.clear();
  Tokens tokens(config.model.vocab_size, stream);
  models::Prompt prompt;
  for (const gsa::Element& element : gsa::insert_gists(context, {}, gist)) {
    prompt.tokens.push_back(element.level < 0 ? tokens.next()
                                              : static_cast<std::int32_t>(config.model.vocab_size) +
                                                    element.level);
    prompt.level.push_back(element.level);
  }
  prompt.suffix = static_cast<std::int64_t>(prompt.tokens.size());
  for (std::int64_t i = 0; i < kQuestion; ++i) prompt.tokens.push_back(tokens.next());
  prompt.level.resize(prompt.tokens.size(), -1);
  return prompt;
}

std::vector<Cell> measure(models::Decoder& decoder, const Config& config,
                          const eval::Method& method, std::int64_t context,
                          const DecodeBenchOptions& options) {
  models::Engine engine(decoder, config.gist, method.policy);
  std::vector<models::Engine::Continuation> next;
  double prefill = 0;
  for (std::int64_t i = 0; i < options.batch; ++i) {
    const models::Prompt prompt =
        random_prompt(config, method.gists, context, static_cast<std::uint64_t>(i));
    prefill += seconds_of([&] {
      const models::Engine::Started started = engine.prefill(std::span(&prompt, 1));
      next.push_back({started.first, {0}});
      core::wait_for(decoder.device());
    });
  }
  Tokens tokens(config.model.vocab_size, 1'000'000);
  std::vector<double> seconds;
  for (std::int64_t i = 0; i < kWarmUpTokens + options.tokens; ++i) {
    for (models::Engine::Continuation& one : next) one.tokens = {tokens.next()};
    const double taken = seconds_of([&] {
      engine.extend(next);
      core::wait_for(decoder.device());
    });
    if (i >= kWarmUpTokens) seconds.push_back(taken);
  }
  const double step = median(seconds);
  const auto batch = static_cast<double>(options.batch);
  return {static_cast<double>(context),
          method.name,
          method.ratio(config.gist),
          batch,
          prefill / batch * 1e3,
          step * 1e3,
          batch / step,
          engine.decode_reads().keys_per_query(),
          static_cast<double>(engine.cache_bytes()) / (1 << 20)};
}

}  // namespace

Section decode_section(const Config& config, const DecodeBenchOptions& options) {
  check(config, options);
  std::vector<eval::Method> methods;
  for (const std::string& name : options.methods) {
    methods.push_back(eval::method_from_name(name, options.ratio, config.selection));
    core::require(!methods.back().gists || config.gist.levels() > 0, "bench",
                  "method {} reads gists, and gist.chunks is []: set gist.chunks", name);
  }
  const core::Device device = core::usable_device(config.run.device);
  models::Decoder decoder(config.model, config.gist.levels(), config.train.dtype, device,
                          config.run.seed, config.gist.links);
  Section section;
  section.key = "decode";
  section.title = fmt::format(
      "decoding on {}: width {}, {} layers, heads {} on {} of {}, {}, median of {} "
      "tokens",
      core::name_of(device), config.model.width, config.model.layers, config.model.heads,
      config.model.kv_heads, config.model.head_width(), core::name_of(config.train.dtype),
      options.tokens);
  section.columns = {{"context", "context"},
                     {"method", "method"},
                     {"ratio", "ratio", 1},
                     {"batch", "batch"},
                     {"prefill_ms", "prefill ms", 1},
                     {"ms_per_token", "ms/token", 3},
                     {"tokens_per_second", "tokens/s", 1},
                     {"keys_per_query", "keys/query", 1},
                     {"cache_mib", "cache MiB", 1}};
  for (const std::int64_t context : options.contexts) {
    for (const eval::Method& method : methods) {
      core::log::info("context of {} tokens, {}", context, method.name);
      section.rows.push_back(measure(decoder, config, method, context, options));
    }
  }
  section.notes = {
      "prefill: of one sequence; ms/token: until the logits of all sequences are there, so "
      "tokens/s",
      "is the batch over it; keys/query: read by a decoded token, a layer and key/value head"};
  return section;
}

}  // namespace unfold::cli::bench
