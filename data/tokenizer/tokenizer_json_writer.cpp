#include <fstream>
#include <nlohmann/json.hpp>
#include <system_error>

#include "core/error.h"
#include "data/tokenizer/byte_alphabet.h"
#include "data/tokenizer/pipeline_json.h"
#include "data/tokenizer/post_processor_json.h"
#include "data/tokenizer/sentencepiece_json.h"
#include "data/tokenizer/tokenizer_json.h"

namespace unfold::data {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

ordered_json write_added_tokens(const TokenizerSpec& spec) {
  ordered_json list = ordered_json::array();
  for (const AddedToken& token : spec.added) {
    ordered_json entry = ordered_json::object({{"id", token.id},
                                               {"content", token.text},
                                               {"single_word", token.single_word},
                                               {"lstrip", token.lstrip},
                                               {"rstrip", token.rstrip},
                                               {"normalized", token.normalized},
                                               {"special", token.special}});
    const bool eos = token.id == spec.eos;
    const bool bos = spec.bos && token.id == *spec.bos;
    if (eos || bos) entry["role"] = eos && bos ? "bos+eos" : eos ? "eos" : "bos";
    list.push_back(std::move(entry));
  }
  return list;
}

ordered_json write_model(const TokenizerSpec& spec) {
  std::vector<std::string> keys;
  keys.reserve(spec.tokens.size());
  for (const std::string& token : spec.tokens) {
    keys.push_back(spec.sentencepiece ? token : to_byte_alphabet(token));
  }
  for (const AddedToken& token : spec.added) keys[static_cast<std::size_t>(token.id)] = token.text;
  // An ordered_json object looks for the key on every insertion: fill its list of members instead.
  ordered_json::object_t vocab;
  vocab.reserve(keys.size());
  for (std::size_t id = 0; id < keys.size(); ++id) {
    static_cast<std::vector<ordered_json::object_t::value_type>&>(vocab).emplace_back(keys[id], id);
  }
  ordered_json merges = ordered_json::array();
  for (const BpeMerge& merge : spec.merges) {
    merges.push_back(keys[static_cast<std::size_t>(merge.left)] + " " +
                     keys[static_cast<std::size_t>(merge.right)]);
  }
  return ordered_json::object({{"type", "BPE"},
                               {"dropout", nullptr},
                               {"unk_token", nullptr},
                               {"continuing_subword_prefix", nullptr},
                               {"end_of_word_suffix", nullptr},
                               {"fuse_unk", false},
                               {"byte_fallback", false},
                               {"ignore_merges", spec.ignore_merges},
                               {"vocab", std::move(vocab)},
                               {"merges", std::move(merges)}});
}

}  // namespace

void write_tokenizer_json(const TokenizerSpec& spec, const fs::path& file) {
  ordered_json root =
      ordered_json::object({{"version", "1.0"},
                            {"truncation", nullptr},
                            {"padding", nullptr},
                            {"added_tokens", write_added_tokens(spec)},
                            {"normalizer", write_normalizer(spec.nfc)},
                            {"pre_tokenizer", write_pre_tokenizer(spec.pre_tokenizer)},
                            {"post_processor", write_post_processor(spec)},
                            {"decoder", write_decoder()},
                            {"model", write_model(spec)}});
  if (spec.sentencepiece) write_sentencepiece(spec, root);
  const fs::path beside = file.string() + ".part";
  std::error_code error;
  {
    std::ofstream out(beside, std::ios::binary | std::ios::trunc);
    out << root.dump(2) << '\n';
    out.close();
    if (!out) {
      fs::remove(beside, error);
      core::fail("tokenizer", "{}: cannot be written: check folder, permissions and free space",
                 file.string());
    }
  }
  fs::rename(beside, file, error);
  if (error) {
    const std::string reason = error.message();
    fs::remove(beside, error);
    core::fail("tokenizer", "{}: cannot be written ({}): choose another path", file.string(),
               reason);
  }
}

}  // namespace unfold::data
