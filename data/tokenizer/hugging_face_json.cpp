#include "data/tokenizer/hugging_face_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/file.h"
#include "data/tokenizer/json_file.h"

namespace unfold::data {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

void write(const fs::path& file, const Json& json) {
  core::write_file_atomically(file, json.dump(1) + "\n");
}

void add_token(Json& root, const AddedToken& token) {
  root["model"]["vocab"][token.text] = token.id;
  root["added_tokens"].push_back({{"id", token.id},
                                  {"content", token.text},
                                  {"single_word", false},
                                  {"lstrip", false},
                                  {"rstrip", false},
                                  {"normalized", false},
                                  {"special", token.special}});
}

}  // namespace

void copy_tokenizer_json(const fs::path& from, const fs::path& to, std::int64_t size) {
  const auto tokenizer = load_tokenizer(from.string());  // says what is wrong with it
  Json root = read_json_object(from);
  Json kept = Json::array();
  if (!root["added_tokens"].is_null()) {
    for (Json& token : root["added_tokens"]) {
      const auto id = token["id"].get<std::int64_t>();
      if (size > 0 && id >= size) continue;
      const bool eos = id == tokenizer->eos();
      const bool bos = tokenizer->bos() && id == *tokenizer->bos();
      token.erase("role");
      if (eos || bos) token["role"] = eos && bos ? "bos+eos" : eos ? "eos" : "bos";
      kept.push_back(std::move(token));
    }
  }
  root["added_tokens"] = std::move(kept);
  if (size > 0) {
    Json& vocab = root["model"]["vocab"];
    for (auto entry = vocab.begin(); entry != vocab.end();) {
      entry = entry->get<std::int64_t>() >= size ? vocab.erase(entry) : std::next(entry);
    }
  }
  write(to, root);
}

void add_to_tokenizer_json(const fs::path& from, const fs::path& to,
                           const std::vector<AddedToken>& tokens) {
  const auto tokenizer = load_tokenizer(from.string());
  Json root = read_json_object(from);
  if (root["added_tokens"].is_null()) root["added_tokens"] = Json::array();
  auto next = static_cast<TokenId>(tokenizer->vocab_size());
  for (const AddedToken& token : tokens) {
    for (; next < token.id; ++next) {
      add_token(root, {next, fmt::format("<|unused_{}|>", next), true});
    }
    core::check(token.id == next, "tokenizer", "token {} has id {}", token.text, token.id);
    core::require(!root["model"]["vocab"].contains(token.text), "tokenizer",
                  "{}: has a token {} already", from.string(), token.text);
    add_token(root, token);
    ++next;
  }
  write(to, root);
}

}  // namespace unfold::data
