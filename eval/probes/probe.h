// Long-context probes: generated questions about a context of any length, in English.
//
// Definitions after RULER (Hsieh et al. 2024, "RULER: What's the Real Context Size of Your
// Long-Context Language Models?"), with texts and words of our own; the sizes are its defaults:
//
//   passkey            a key of five digits in filler text (METHOD.md section 11)
//   needle             a number of seven digits, told of one thing in filler text
//   multikey           as needle, with numbers of other things about: `keys` in all
//   multivalue         several numbers of one thing: all `values` are asked for
//   multiquery         several things, a number each: all `queries` are asked for
//   variable_tracking  `chains` chains of assignments, each of `hops` hops behind the first one:
//                      every variable that holds a value is asked for
//   common_words       a numbered list of words, ten of which occur ten times as often as others:
//                      these are asked for
//   frequent_words     made-up words whose frequencies fall with the square of their rank, the
//                      first being dots: the next three are asked for
//   qa_distractors     documents about invented towns, people and firms: a fact of one is asked for
//   qa_two_hops        the same, where the question leads to its document by way of another one
//
// What sets it apart from the tasks of data/synthetic.h: those are what tiny models are trained
// and measured on, these are for models that know English.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace unfold::eval {

enum class ProbeKind : std::uint8_t {
  passkey,
  needle,
  multikey,
  multivalue,
  multiquery,
  variable_tracking,
  common_words,
  frequent_words,
  qa_distractors,
  qa_two_hops,
};

// "passkey", ...
std::string_view name_of(ProbeKind kind);
// In the order above.
std::vector<ProbeKind> probe_kinds();

// Tokens of a text, at least 1 for a text that is not empty. Asked of whole contexts.
using TokenCounter = std::function<std::int64_t(std::string_view)>;

struct ProbeOptions {
  std::uint64_t seed = 0;
  // The context has so many tokens, or a few less; never more.
  std::int64_t context_tokens = 4096;
  // Samples visit so many depths in turn, evenly from 0 (the beginning) to 1; one depth: 0.5.
  std::int64_t depths = 20;
  std::int64_t keys = 4;     // multikey: things told of
  std::int64_t values = 4;   // multivalue: numbers of the thing
  std::int64_t queries = 4;  // multiquery: things asked for
  std::int64_t chains = 1;   // variable_tracking
  std::int64_t hops = 4;     // variable_tracking, of each chain
};

struct ProbeSample {
  std::string instruction;  // what to do with the context: its first tokens
  // The rest of the context: one text, which follows the instruction at once; or documents, each of
  // them and the instruction tokenized by itself.
  std::vector<std::string> segments;
  std::string question;
  std::string cue;  // the beginning of the answer; empty: none. The model goes on with " " + answer
  std::vector<std::string> answers;
  // "context": tokens asked for; "depth": where what is asked for stands, as a share of the text
  // around it (of kinds that have one such place: passkey, needle, multikey and both qa); for qa
  // also "gold": index of the document with the answer, "documents": their number.
  std::map<std::string, double> tags;

  // Instruction and segments: what the length is counted of.
  std::string context() const;
};

// Sample `index` is a function of (kind, seed, context_tokens, index), the other options and the
// counts, the same on every platform. Every answer occurs in the context exactly once (of
// variable_tracking: in one assignment of its own; of common_words and frequent_words: as often as
// told above).
// Throws core::UserError when the context is too short for what it has to hold, or options make no
// sense.
ProbeSample make_probe(ProbeKind kind, const ProbeOptions& options, std::int64_t index,
                       const TokenCounter& count);

}  // namespace unfold::eval
