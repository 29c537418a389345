// Numbers hidden in filler text: passkey and the needles of RULER.
#include <fmt/core.h>

#include "core/error.h"
#include "eval/probes/generator.h"
#include "eval/probes/haystack.h"

namespace unfold::eval::probes {
namespace {

// A depth for something that is not asked for by depth.
double draw_depth(data::CounterRandom& random) {
  return static_cast<double>(random.below(10000)) / 9999.0;
}

ProbeSample sample_in(const Request& request, std::string instruction,
                      std::vector<Needle> needles) {
  ProbeSample sample;
  sample.instruction = std::move(instruction);
  sample.segments = {fill_haystack(sample.instruction, std::move(needles),
                                   request.options.context_tokens, request.count,
                                   request.random(Request::Stream::filler))};
  return sample;
}

}  // namespace

ProbeSample make_passkey(const Request& request) {
  data::CounterRandom random = request.random(Request::Stream::facts);
  const std::string key = draw_numbers(1, 5, random).front();
  ProbeSample sample = sample_in(
      request,
      "A pass key is hidden somewhere in the text below. Find it and keep it in mind: you will be "
      "asked for it afterwards.\n\n",
      {{fmt::format("The pass key is {}. Remember it.", key), request.depth()}});
  sample.question = "What is the pass key in the text above?";
  sample.cue = "The pass key is";
  sample.answers = {key};
  sample.tags["depth"] = request.depth();
  return sample;
}

ProbeSample make_needle(const Request& request) {
  const ProbeOptions& options = request.options;
  std::int64_t things = 1;   // told of
  std::int64_t asked = 1;    // of these, the first ones
  std::int64_t numbers = 1;  // a thing
  if (request.kind == ProbeKind::multikey) things = options.keys;
  if (request.kind == ProbeKind::multivalue) numbers = options.values;
  if (request.kind == ProbeKind::multiquery) things = asked = options.queries;
  core::require(numbers <= 100000, kTag, "{} values of a key: ask for at most 100000", numbers);
  const bool one = asked == 1 && numbers == 1;

  data::CounterRandom random = request.random(Request::Stream::facts);
  const std::vector<std::string> names = draw_things(static_cast<std::size_t>(things), random);
  const std::vector<std::string> values =
      draw_numbers(static_cast<std::size_t>(things * numbers), 7, random);
  std::vector<std::string> answers;
  std::vector<Needle> needles;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t thing = i / static_cast<std::size_t>(numbers);
    const double depth = one && i == 0 ? request.depth() : draw_depth(random);
    needles.push_back({fmt::format("{} of the {} is {}.",
                                   numbers == 1 ? "The secret number" : "One of the secret numbers",
                                   names[thing], values[i]),
                       depth});
    if (thing < static_cast<std::size_t>(asked)) answers.push_back(values[i]);
  }
  ProbeSample sample = sample_in(
      request,
      values.size() == 1
          ? "A secret number is hidden in the text below. Keep it in mind: you will be asked for "
            "it afterwards.\n\n"
          : "Some secret numbers are hidden in the text below. Keep them in mind: you will be "
            "asked for them afterwards.\n\n",
      std::move(needles));
  std::vector<std::string> owners;
  for (std::int64_t i = 0; i < asked; ++i) {
    owners.push_back("the " + names[static_cast<std::size_t>(i)]);
  }
  if (one) {
    sample.question =
        fmt::format("What is the secret number of {} in the text above?", owners.front());
    sample.cue = fmt::format("The secret number of {} is", owners.front());
    sample.tags["depth"] = request.depth();
  } else {
    sample.question =
        fmt::format("What are all the secret numbers of {} in the text above?", enumerate(owners));
    sample.cue = fmt::format("The secret numbers of {} are", enumerate(owners));
  }
  sample.answers = std::move(answers);
  return sample;
}

}  // namespace unfold::eval::probes
