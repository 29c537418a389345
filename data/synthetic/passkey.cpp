#include "core/error.h"
#include "data/synthetic/generator.h"

namespace unfold::data::synthetic {

SyntheticDocument make_passkey(const SyntheticOptions& options, std::int64_t index,
                               CounterRandom& random) {
  constexpr std::uint64_t kDepths = 20;
  const std::string key = five_digits(random);
  const std::string needle = fmt::format("The pass key is {}. Remember it.", key);
  const std::int64_t room = options.context - measure(options, " " + needle);
  core::require(room >= 0, kTag, "a context of {} does not hold the pass key: raise its size",
                options.context);
  // An evaluation visits the depths in turn, so that every depth is asked equally often.
  const std::uint64_t depth = options.split == SyntheticSplit::eval
                                  ? static_cast<std::uint64_t>(index) % kDepths
                                  : random.below(kDepths);
  std::vector<std::string> sentences = filler(options, room, random);
  const std::size_t at = sentences.size() * depth / (kDepths - 1);
  sentences.insert(sentences.begin() + static_cast<std::ptrdiff_t>(at), needle);

  SyntheticDocument document;
  document.context = join_sentences(sentences);
  document.questions.push_back({"What is the pass key? The pass key is", key});
  return document;
}

}  // namespace unfold::data::synthetic
