#include "data/tokenizer/post_processor_json.h"

#include <fmt/core.h>

#include <nlohmann/json.hpp>
#include <string>

namespace unfold::data {
namespace {

using nlohmann::ordered_json;

TokenId read_id(const JsonView& value, std::size_t vocab_size) {
  const std::int64_t id = value.as_integer();
  if (id < 0 || static_cast<std::uint64_t>(id) >= vocab_size) {
    value.fail(fmt::format("id {} is not in the vocabulary of {}", id, vocab_size));
  }
  return static_cast<TokenId>(id);
}

SpecialFrame read_template(const JsonView& processor, std::size_t vocab_size) {
  SpecialFrame frame;
  const JsonView parts = processor.member("single").expect_array();
  const JsonView tokens = processor.member("special_tokens");
  int texts = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const JsonView part = parts.element(i).expect_object();
    if (!part.member("Sequence").is_null()) {
      ++texts;
      continue;
    }
    const JsonView name = part.member("SpecialToken").expect_object().member("id");
    const JsonView token = tokens.expect_object().member(name.as_string());
    const JsonView ids = token.expect_object().member("ids").expect_array();
    std::vector<TokenId>& side = texts == 0 ? frame.before : frame.behind;
    for (std::size_t k = 0; k < ids.size(); ++k) {
      side.push_back(read_id(ids.element(k), vocab_size));
    }
  }
  if (texts != 1) parts.fail("the text must stand in it once");
  return frame;
}

// Both give the token at the beginning and at the end as ["<s>", 0].
SpecialFrame read_pair(const JsonView& processor, std::size_t vocab_size) {
  const auto id = [&](const char* member) {
    const JsonView pair = processor.member(member).expect_array();
    if (pair.size() != 2) pair.fail("expected a token and its id");
    return read_id(pair.element(1), vocab_size);
  };
  return {{id("cls")}, {id("sep")}};
}

SpecialFrame read_one(const JsonView& processor, std::size_t vocab_size) {
  const std::string& type = processor.expect_object().member("type").as_string();
  if (type == "ByteLevel") return {};
  if (type == "TemplateProcessing") return read_template(processor, vocab_size);
  if (type == "BertProcessing" || type == "RobertaProcessing") {
    return read_pair(processor, vocab_size);
  }
  processor.fail(
      fmt::format("post-processor {} is not supported: ByteLevel, TemplateProcessing, "
                  "BertProcessing, RobertaProcessing and a Sequence of them are",
                  type));
}

ordered_json write_template(const TokenizerSpec& spec) {
  const auto name = [&](TokenId id) {
    for (const AddedToken& token : spec.added) {
      if (token.id == id) return token.text;
    }
    return fmt::format("<{}>", id);
  };
  ordered_json single = ordered_json::array();
  ordered_json tokens = ordered_json::object();
  const auto put = [&](TokenId id) {
    single.push_back({{"SpecialToken", {{"id", name(id)}, {"type_id", 0}}}});
    tokens[name(id)] = ordered_json::object({{"id", name(id)},
                                             {"ids", ordered_json::array({id})},
                                             {"tokens", ordered_json::array({name(id)})}});
  };
  for (const TokenId id : spec.frame.before) put(id);
  single.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
  for (const TokenId id : spec.frame.behind) put(id);
  ordered_json pair = single;
  pair.push_back({{"Sequence", {{"id", "B"}, {"type_id", 1}}}});
  return ordered_json::object({{"type", "TemplateProcessing"},
                               {"single", std::move(single)},
                               {"pair", std::move(pair)},
                               {"special_tokens", std::move(tokens)}});
}

}  // namespace

SpecialFrame read_post_processor(const JsonView& processor, std::size_t vocab_size) {
  if (processor.is_null()) return {};
  if (processor.expect_object().member("type").as_string() != "Sequence") {
    return read_one(processor, vocab_size);
  }
  SpecialFrame frame;
  const JsonView parts = processor.member("processors").expect_array();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const SpecialFrame outer = read_one(parts.element(i), vocab_size);
    frame.before.insert(frame.before.begin(), outer.before.begin(), outer.before.end());
    frame.behind.insert(frame.behind.end(), outer.behind.begin(), outer.behind.end());
  }
  return frame;
}

ordered_json write_post_processor(const TokenizerSpec& spec) {
  if (spec.frame == SpecialFrame{}) return nullptr;
  ordered_json bytes = ordered_json::object({{"type", "ByteLevel"},
                                             {"add_prefix_space", true},
                                             {"trim_offsets", false},
                                             {"use_regex", true}});
  return ordered_json::object(
      {{"type", "Sequence"},
       {"processors", ordered_json::array({std::move(bytes), write_template(spec)})}});
}

}  // namespace unfold::data
