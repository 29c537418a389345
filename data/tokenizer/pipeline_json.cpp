#include "data/tokenizer/pipeline_json.h"

#include <fmt/core.h>

#include <nlohmann/json.hpp>
#include <string>

namespace unfold::data {
namespace {

using nlohmann::ordered_json;
using Kind = PreTokenizerStage::Kind;

const std::string& type_of(const JsonView& component) {
  return component.expect_object().member("type").as_string();
}

PreTokenizerStage read_split(const JsonView& split) {
  const std::string& behavior = split.member("behavior").as_string();
  const bool invert = split.member("invert").as_bool(false);
  const JsonView pattern = split.member("pattern").expect_object();
  const bool isolated = behavior == "Isolated";
  if (!isolated && !(behavior == "Removed" && invert)) {
    split.fail(
        fmt::format("Split with behavior {} (invert {}) is not supported: Isolated, or Removed "
                    "with invert, is",
                    behavior, invert));
  }
  if (const JsonView text = pattern.member("String"); !text.is_null()) {
    if (!isolated) pattern.fail("Removed with a String pattern is not supported: use a Regex");
    if (text.as_string().empty()) text.fail("the pattern is empty");
    return {Kind::split_literal, text.as_string()};
  }
  return {isolated ? Kind::split : Kind::split_drop, pattern.member("Regex").as_string()};
}

void read_stages(const JsonView& component, std::vector<PreTokenizerStage>& stages) {
  const std::string& type = type_of(component);
  if (type == "Sequence") {
    const JsonView parts = component.member("pretokenizers").expect_array();
    for (std::size_t i = 0; i < parts.size(); ++i) {
      // A Sequence inside a Sequence means the same as its parts, but hostile nesting costs stack.
      const JsonView part = parts.element(i);
      if (type_of(part) == "Sequence") part.fail("a Sequence inside a Sequence is not supported");
      read_stages(part, stages);
    }
  } else if (type == "Split") {
    stages.push_back(read_split(component));
  } else if (type == "Digits") {
    const bool single = component.member("individual_digits").as_bool(false);
    stages.push_back({single ? Kind::single_digits : Kind::digits, ""});
  } else if (type == "ByteLevel") {
    const bool cuts = component.member("use_regex").as_bool(true);
    stages.push_back({cuts ? Kind::byte_level : Kind::bytes_only, "",
                      component.member("add_prefix_space").as_bool(true)});
  } else {
    component.fail(fmt::format(
        "pre-tokenizer {} is not supported: ByteLevel, Split, Digits and Sequence are", type));
  }
}

ordered_json write_stage(const PreTokenizerStage& stage) {
  const auto split = [&](const char* key, const char* behavior, bool invert) {
    return ordered_json::object({{"type", "Split"},
                                 {"pattern", ordered_json::object({{key, stage.pattern}})},
                                 {"behavior", behavior},
                                 {"invert", invert}});
  };
  const auto byte_level = [&](bool use_regex) {
    return ordered_json::object({{"type", "ByteLevel"},
                                 {"add_prefix_space", stage.add_prefix_space},
                                 {"trim_offsets", true},
                                 {"use_regex", use_regex}});
  };
  const auto digits = [](bool individual) {
    return ordered_json::object({{"type", "Digits"}, {"individual_digits", individual}});
  };
  switch (stage.kind) {
    case Kind::split:
      return split("Regex", "Isolated", false);
    case Kind::split_literal:
      return split("String", "Isolated", false);
    case Kind::split_drop:
      return split("Regex", "Removed", true);
    case Kind::digits:
      return digits(false);
    case Kind::single_digits:
      return digits(true);
    case Kind::byte_level:
      return byte_level(true);
    case Kind::bytes_only:
      return byte_level(false);
  }
  return nullptr;
}

}  // namespace

bool read_normalizer(const JsonView& normalizer) {
  if (normalizer.is_null()) return false;
  const std::string& type = type_of(normalizer);
  if (type == "NFC") return true;
  if (type == "Sequence") {
    const JsonView parts = normalizer.member("normalizers").expect_array();
    bool nfc = false;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const JsonView part = parts.element(i);
      if (type_of(part) != "NFC") {
        part.fail(fmt::format("normalizer {} is not supported: NFC is", type_of(part)));
      }
      nfc = true;
    }
    return nfc;
  }
  normalizer.fail(fmt::format("normalizer {} is not supported: NFC is", type));
}

std::vector<PreTokenizerStage> read_pre_tokenizer(const JsonView& pre_tokenizer) {
  if (pre_tokenizer.is_null()) pre_tokenizer.fail("missing: a byte-level tokenizer has ByteLevel");
  std::vector<PreTokenizerStage> stages;
  read_stages(pre_tokenizer, stages);
  // ByteLevel rewrites the text in its alphabet, which a split behind it would see.
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const bool bytes = stages[i].kind == Kind::byte_level || stages[i].kind == Kind::bytes_only;
    const bool last = i + 1 == stages.size();
    if (bytes != last) pre_tokenizer.fail("ByteLevel must stand at the end, and once");
  }
  if (stages.empty()) pre_tokenizer.fail("ByteLevel must stand at the end, and once");
  return stages;
}

void check_decoder(const JsonView& decoder) {
  if (decoder.is_null()) return;
  if (type_of(decoder) != "ByteLevel") {
    decoder.fail(fmt::format("decoder {} is not supported: ByteLevel is", type_of(decoder)));
  }
}

ordered_json write_normalizer(bool nfc) {
  if (!nfc) return nullptr;
  return ordered_json::object({{"type", "NFC"}});
}

ordered_json write_pre_tokenizer(const std::vector<PreTokenizerStage>& stages) {
  if (stages.size() == 1) return write_stage(stages.front());
  ordered_json parts = ordered_json::array();
  for (const PreTokenizerStage& stage : stages) parts.push_back(write_stage(stage));
  return ordered_json::object({{"type", "Sequence"}, {"pretokenizers", parts}});
}

ordered_json write_decoder() {
  return ordered_json::object({{"type", "ByteLevel"},
                               {"add_prefix_space", true},
                               {"trim_offsets", true},
                               {"use_regex", true}});
}

}  // namespace unfold::data
