#include "models/greedy_batch.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

#include "core/kernels/nn.h"
#include "models/stop_strings.h"

namespace unfold::models {
namespace {

using core::Tensor;

// One prompt on its way.
struct Running {
  std::size_t index = 0;
  std::int64_t sequence = 0;
  StopStrings stop;
  GreedyAnswer answer;
};

double now() {
  using Clock = std::chrono::steady_clock;
  return std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
}

bool contains(const std::vector<std::int32_t>& tokens, std::int32_t token) {
  return std::find(tokens.begin(), tokens.end(), token) != tokens.end();
}

// The likeliest token of a row that is none of these.
std::int32_t likeliest_but(const Tensor& logits, std::size_t row,
                           const std::vector<std::int32_t>& banned) {
  const auto at = static_cast<std::int64_t>(row);
  std::vector<float> values = logits.slice(0, at, at + 1).contiguous().to_vector<float>();
  for (const std::int32_t token : banned) {
    const auto column = static_cast<std::size_t>(token);
    if (column < values.size()) values[column] = -std::numeric_limits<float>::infinity();
  }
  return static_cast<std::int32_t>(std::max_element(values.begin(), values.end()) - values.begin());
}

class Batch {
 public:
  Batch(Engine& engine, std::span<const GreedyPrompt> prompts, const GreedyOptions& options,
        const std::function<void(std::size_t, GreedyAnswer)>& done)
      : engine_(engine), prompts_(prompts), options_(options), done_(done) {}

  void run() {
    for (std::size_t first = 0; first < prompts_.size();) first = prefill(first);
    while (!running_.empty()) {
      const double began = now();
      std::vector<Engine::Continuation> next;
      for (const Running& one : running_) {
        next.push_back({one.sequence, {one.answer.generated.tokens.back()}});
      }
      const Tensor logits = engine_.extend(next);
      const std::vector<std::int32_t> tokens = likeliest(logits);
      const double share = (now() - began) / static_cast<double>(running_.size());
      std::vector<Running> still;
      for (std::size_t i = 0; i < running_.size(); ++i) {
        running_[i].answer.seconds += share;
        if (take(running_[i], tokens[i], logits, i)) still.push_back(std::move(running_[i]));
      }
      running_ = std::move(still);
    }
  }

 private:
  // Prefills the prompts from `first` on; returns the first that is left.
  std::size_t prefill(std::size_t first) {
    const double began = now();
    std::vector<Prompt> prompts;
    std::size_t positions = 0;
    std::size_t last = first;
    for (; last < prompts_.size(); ++last) {
      const std::size_t more = prompts_[last].prompt.tokens.size();
      const auto room = static_cast<std::size_t>(options_.prefill_positions);
      if (last > first && positions + more > room) break;
      positions += more;
      prompts.push_back(prompts_[last].prompt);
    }
    const Engine::Started started = engine_.prefill(prompts);
    const std::vector<std::int32_t> tokens = likeliest(started.logits);
    const double seconds = now() - began;
    for (std::size_t i = first; i < last; ++i) {
      const auto row = i - first;
      Running one{
          i, started.first + static_cast<std::int64_t>(row), StopStrings(prompts_[i].stop), {}};
      one.answer.seconds = seconds * static_cast<double>(prompts_[i].prompt.tokens.size()) /
                           static_cast<double>(positions);
      if (take(one, tokens[row], started.logits, row)) running_.push_back(std::move(one));
    }
    return last;
  }

  // Takes the next token of a sequence; false when that ends it.
  bool take(Running& one, std::int32_t token, const Tensor& logits, std::size_t row) {
    const GreedyPrompt& prompt = prompts_[one.index];
    Generated& generated = one.answer.generated;
    const auto count = static_cast<std::int64_t>(generated.tokens.size());
    if (count < prompt.min_tokens && contains(prompt.ends, token)) {
      token = likeliest_but(logits, row, prompt.ends);
    }
    bool ended = contains(prompt.ends, token);
    if (ended) {
      generated.finish = FinishReason::eos;
    } else {
      generated.tokens.push_back(token);
      if (!prompt.stop.empty()) generated.stop_bytes = one.stop.push(options_.text_of(token));
      if (generated.stop_bytes > 0) generated.finish = FinishReason::stop;
      ended = generated.stop_bytes > 0 || count + 1 >= prompt.max_tokens;
    }
    if (!ended) return true;
    // A token that was chosen by the prompt alone has fed nothing: the device need not be waited
    // for.
    if (!generated.tokens.empty()) one.answer.reads = engine_.decode_reads(one.sequence);
    engine_.release(one.sequence);
    done_(one.index, std::move(one.answer));
    return false;
  }

  Engine& engine_;
  std::span<const GreedyPrompt> prompts_;
  const GreedyOptions& options_;
  const std::function<void(std::size_t, GreedyAnswer)>& done_;
  std::vector<Running> running_;
};

}  // namespace

std::vector<std::int32_t> likeliest(const Tensor& logits) {
  const Tensor best = Tensor::empty({logits.dim(0)}, core::DType::int32, logits.device());
  core::kernels::argmax_rows(logits, best);
  return best.to_vector<std::int32_t>();
}

void generate_greedily(Engine& engine, std::span<const GreedyPrompt> prompts,
                       const GreedyOptions& options,
                       const std::function<void(std::size_t, GreedyAnswer)>& done) {
  for (const GreedyPrompt& prompt : prompts) {
    core::check(prompt.max_tokens >= 1 && (prompt.stop.empty() || options.text_of), "generate",
                "{} tokens to generate, {} stop strings", prompt.max_tokens, prompt.stop.size());
  }
  Batch(engine, prompts, options, done).run();
}

}  // namespace unfold::models
