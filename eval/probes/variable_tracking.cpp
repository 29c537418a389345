// Chains of assignments hidden in filler text.
#include <fmt/core.h>

#include <algorithm>

#include "core/error.h"
#include "data/synthetic/generator.h"
#include "eval/probes/generator.h"
#include "eval/probes/haystack.h"

namespace unfold::eval::probes {
namespace {

// A context this long has room for an example in front, as RULER gives one.
constexpr std::int64_t kExampleFrom = 2048;
constexpr int kExampleHops = 3;

// The assignments of a chain, in the order in which they have to be read.
std::vector<std::string> assignments(const std::vector<std::string>& variables,
                                     const std::string& value) {
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < variables.size(); ++i) {
    lines.push_back(i == 0 ? fmt::format("VAR {} = {}.", variables[i], value)
                           : fmt::format("VAR {} = VAR {}.", variables[i], variables[i - 1]));
  }
  return lines;
}

std::string question_for(const std::string& value) {
  return fmt::format(
      "Which variables hold the value {} in the text above, directly or through other variables?",
      value);
}

std::string cue_for(std::size_t variables, const std::string& value) {
  return fmt::format("{} of the variables hold the value {}:", variables, value);
}

// A small text with one chain, asked and answered.
std::string example(const std::vector<std::string>& variables, const std::string& value,
                    data::CounterRandom random) {
  std::string text = "An example:\n";
  for (const std::string& line : assignments(variables, value)) {
    text += data::synthetic::filler_sentence(random) + " " + line + " ";
  }
  text += data::synthetic::filler_sentence(random);
  return fmt::format("{}\nQuestion: {}\nAnswer: {} {}.\n\nThe text to be asked about:\n", text,
                     question_for(value), cue_for(variables.size(), value), enumerate(variables));
}

}  // namespace

ProbeSample make_variable_tracking(const Request& request) {
  const ProbeOptions& options = request.options;
  const auto chains = static_cast<std::size_t>(options.chains);
  const auto length = static_cast<std::size_t>(options.hops) + 1;
  core::require(options.chains <= 1000 && options.hops <= 1000, kTag,
                "{} chains of {} hops: ask for at most 1000 of each", options.chains, options.hops);
  data::CounterRandom random = request.random(Request::Stream::facts);
  const std::vector<std::string> variables =
      draw_variables(chains * length + kExampleHops + 1, random);
  const std::vector<std::string> values = draw_numbers(chains + 1, 5, random);

  std::vector<Needle> needles;
  for (std::size_t chain = 0; chain < chains; ++chain) {
    const auto first = variables.begin() + static_cast<std::ptrdiff_t>(chain * length);
    const std::vector<std::string> lines =
        assignments({first, first + static_cast<std::ptrdiff_t>(length)}, values[chain]);
    // A variable is assigned before it is used: RULER sorts the places too.
    std::vector<double> depths;
    for (std::size_t i = 0; i < length; ++i) {
      depths.push_back(static_cast<double>(random.below(10000)) / 9999.0);
    }
    std::sort(depths.begin(), depths.end());
    for (std::size_t i = 0; i < length; ++i) needles.push_back({lines[i], depths[i]});
  }

  ProbeSample sample;
  sample.instruction =
      "Assignments of values to variables are hidden in the text below. Keep track of them: you "
      "will be asked which variables hold a value.\n\n";
  if (options.context_tokens >= kExampleFrom) {
    sample.instruction += example({variables.end() - (kExampleHops + 1), variables.end()},
                                  values.back(), request.random(Request::Stream::filler, 1));
  }
  sample.segments = {fill_haystack(sample.instruction, std::move(needles), options.context_tokens,
                                   request.count, request.random(Request::Stream::filler))};
  sample.question = question_for(values.front());
  sample.cue = cue_for(length, values.front());
  sample.answers.assign(variables.begin(), variables.begin() + static_cast<std::ptrdiff_t>(length));
  return sample;
}

}  // namespace unfold::eval::probes
