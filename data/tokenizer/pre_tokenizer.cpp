#include "data/tokenizer/pre_tokenizer.h"

#include <utility>

#include "core/error.h"

namespace unfold::data {

PreTokenizer::PreTokenizer(std::vector<PreTokenizerStage> stages) : stages_(std::move(stages)) {
  using Kind = PreTokenizerStage::Kind;
  for (const PreTokenizerStage& stage : stages_) {
    switch (stage.kind) {
      case Kind::split:
        cuts_.push_back(cut_of(stage.pattern, true));
        break;
      case Kind::split_literal:
        cuts_.push_back({.regex = Regex(stage.pattern, true)});
        break;
      case Kind::split_drop:
        cuts_.push_back(cut_of(stage.pattern, false));
        break;
      case Kind::digits:
        cuts_.push_back({.scan = scan_digits});
        break;
      case Kind::single_digits:
        cuts_.push_back({.scan = scan_single_digits});
        break;
      case Kind::byte_level:
        if (stage.add_prefix_space) cuts_.push_back({.add_prefix_space = true});
        cuts_.push_back({.scan = scan_gpt2});
        break;
      case Kind::bytes_only:
        if (stage.add_prefix_space) cuts_.push_back({.add_prefix_space = true});
        break;
    }
  }
}

PreTokenizer::Cut PreTokenizer::cut_of(std::string_view pattern, bool keep_gaps) {
  if (const WordScanner scan = find_word_scanner(pattern)) return {.scan = scan};
  return {.regex = Regex(std::string(pattern)), .keep_gaps = keep_gaps};
}

void PreTokenizer::split(std::string_view text, RegexScratch& scratch, const Sink& sink) const {
  if (!text.empty()) split_from(0, text, scratch, sink);
}

void PreTokenizer::split_from(std::size_t cut, std::string_view text, RegexScratch& scratch,
                              const Sink& sink) const {
  if (cut == cuts_.size()) {
    sink(text);
    return;
  }
  if (cuts_[cut].add_prefix_space) {
    if (text.front() == ' ') return split_from(cut + 1, text, scratch, sink);
    std::string longer(1, ' ');
    longer.append(text);
    return split_from(cut + 1, longer, scratch, sink);
  }
  if (const WordScanner scan = cuts_[cut].scan) {
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = scan(text, begin);
      split_from(cut + 1, text.substr(begin, end - begin), scratch, sink);
      begin = end;
    }
    return;
  }
  const Regex& regex = *cuts_[cut].regex;
  std::size_t done = 0;  // everything before went to the next cut
  std::size_t from = 0;
  while (from < text.size()) {
    const auto match = regex.find(text, from, scratch);
    if (!match) break;
    core::require(match->begin >= done && match->end >= match->begin, "tokenizer",
                  "pattern '{}' matches backwards: do not use \\K in it", regex.pattern());
    if (match->end == match->begin) {
      // An empty match cuts nothing: look again behind the next character.
      from = match->end + 1;
      while (from < text.size() && (static_cast<unsigned char>(text[from]) & 0xC0) == 0x80) ++from;
      continue;
    }
    if (match->begin > done && cuts_[cut].keep_gaps) {
      split_from(cut + 1, text.substr(done, match->begin - done), scratch, sink);
    }
    split_from(cut + 1, text.substr(match->begin, match->end - match->begin), scratch, sink);
    done = from = match->end;
  }
  if (done < text.size() && cuts_[cut].keep_gaps) {
    split_from(cut + 1, text.substr(done), scratch, sink);
  }
}

std::vector<PreTokenizerStage> default_pre_tokenizer() {
  return {{PreTokenizerStage::Kind::split, std::string(kGpt2Pattern)},
          {PreTokenizerStage::Kind::bytes_only, ""}};
}

}  // namespace unfold::data
