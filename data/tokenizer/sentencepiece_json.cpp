#include "data/tokenizer/sentencepiece_json.h"

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "data/tokenizer/sentencepiece_tokenizer.h"

namespace unfold::data {
namespace {

using nlohmann::ordered_json;
using Prefix = SentencePieceSpec::Prefix;

const std::string& type_of(const JsonView& component) {
  return component.expect_object().member("type").as_string();
}

// The parts of a Sequence under `list`, or the component alone.
std::vector<JsonView> parts_of(const JsonView& component, const char* list) {
  if (component.is_null()) return {};
  if (type_of(component) != "Sequence") return {component};
  std::vector<JsonView> parts;
  const JsonView all = component.member(list).expect_array();
  for (std::size_t i = 0; i < all.size(); ++i) parts.push_back(all.element(i));
  return parts;
}

void expect_text(const JsonView& value, std::string_view text) {
  if (value.as_string() != text) value.fail(fmt::format("only '{}' is supported", text));
}

void expect_replace(const JsonView& part, std::string_view from, std::string_view to) {
  expect_text(part.member("pattern").expect_object().member("String"), from);
  expect_text(part.member("content"), to);
}

Prefix read_normalizer_prefix(const JsonView& normalizer) {
  Prefix prefix = Prefix::none;
  bool replaces = false;
  for (const JsonView& part : parts_of(normalizer, "normalizers")) {
    const std::string& type = type_of(part);
    if (type == "Prepend" && prefix == Prefix::none) {
      expect_text(part.member("prepend"), kSpaceMark);
      prefix = Prefix::every;
    } else if (type == "Replace" && !replaces) {
      expect_replace(part, " ", kSpaceMark);
      replaces = true;
    } else {
      part.fail(fmt::format("normalizer {} is not supported here: one Prepend and one Replace are",
                            type));
    }
  }
  if (!replaces) normalizer.fail("nothing replaces spaces: this kind of BPE is not supported");
  return prefix;
}

Prefix read_metaspace(const JsonView& metaspace) {
  if (type_of(metaspace) != "Metaspace") {
    metaspace.fail(fmt::format("pre-tokenizer {} is not supported with byte_fallback: Metaspace is",
                               type_of(metaspace)));
  }
  expect_text(metaspace.member("replacement"), kSpaceMark);
  if (metaspace.member("split").as_bool(true)) {
    metaspace.member("split").fail("Metaspace that splits is not supported: must be false");
  }
  const JsonView scheme = metaspace.member("prepend_scheme");
  const std::string name = scheme.is_null() ? "always" : scheme.as_string();
  if (name == "never" || !metaspace.member("add_prefix_space").as_bool(true)) return Prefix::none;
  if (name == "always") return Prefix::unless_space;
  if (name != "first") scheme.fail(fmt::format("'{}' is not supported", name));
  return Prefix::first_unless_space;
}

// True when the decoder takes a space off the front.
bool read_decoder(const JsonView& decoder) {
  bool strips = false;
  bool spaces = false;
  bool bytes = false;
  for (const JsonView& part : parts_of(decoder, "decoders")) {
    const std::string& type = type_of(part);
    if (type == "Replace") {
      expect_replace(part, kSpaceMark, " ");
      spaces = true;
    } else if (type == "ByteFallback") {
      bytes = true;
    } else if (type == "Strip") {
      expect_text(part.member("content"), " ");
      const std::int64_t start = part.member("start").as_integer();
      if (start > 1 || start < 0 || part.member("stop").as_integer() != 0) {
        part.fail("only one space at the start can be stripped");
      }
      strips = start == 1;
    } else if (type != "Fuse") {
      part.fail(fmt::format(
          "decoder {} is not supported here: Replace, ByteFallback, Fuse and Strip are", type));
    }
  }
  if (!spaces || !bytes) decoder.fail("expected a Sequence with Replace and ByteFallback");
  return strips;
}

ordered_json replace(std::string_view from, std::string_view to) {
  return ordered_json::object({{"type", "Replace"},
                               {"pattern", ordered_json::object({{"String", from}})},
                               {"content", to}});
}

}  // namespace

bool is_sentencepiece(const JsonView& root) {
  const JsonView model = root.member("model");
  if (!model.value().is_object()) return false;  // named where the model is read
  const JsonView fallback = model.member("byte_fallback");
  if (!fallback.as_bool(false)) return false;
  const JsonView pre_tokenizer = root.member("pre_tokenizer");
  if (!pre_tokenizer.is_null() && type_of(pre_tokenizer) != "Metaspace") {
    fallback.fail(
        fmt::format("not supported with pre-tokenizer {}: must be false", type_of(pre_tokenizer)));
  }
  return true;
}

SentencePieceSpec read_sentencepiece(const JsonView& root, const TokenizerSpec& spec) {
  SentencePieceSpec result;
  const JsonView model = root.member("model");
  const JsonView ignore = model.member("ignore_merges");
  if (ignore.as_bool(false)) ignore.fail("not supported with byte_fallback: must be false");
  result.fuse_unknown = model.member("fuse_unk").as_bool(false);
  if (const JsonView unknown = model.member("unk_token"); !unknown.is_null()) {
    const auto found = std::find(spec.tokens.begin(), spec.tokens.end(), unknown.as_string());
    if (found == spec.tokens.end()) unknown.fail("is not in the vocabulary");
    result.unknown = static_cast<TokenId>(found - spec.tokens.begin());
  }
  const JsonView normalizer = root.member("normalizer");
  const JsonView pre_tokenizer = root.member("pre_tokenizer");
  if (pre_tokenizer.is_null()) {
    result.prefix = read_normalizer_prefix(normalizer);
  } else {
    if (!normalizer.is_null()) normalizer.fail("not supported beside a Metaspace pre-tokenizer");
    result.prefix = read_metaspace(pre_tokenizer);
  }
  result.strip_space = read_decoder(root.member("decoder"));
  return result;
}

void write_sentencepiece(const TokenizerSpec& spec, ordered_json& root) {
  const SentencePieceSpec& options = *spec.sentencepiece;
  ordered_json& model = root["model"];
  model["byte_fallback"] = true;
  model["fuse_unk"] = options.fuse_unknown;
  if (options.unknown) model["unk_token"] = spec.tokens[static_cast<std::size_t>(*options.unknown)];
  root["normalizer"] = nullptr;
  root["pre_tokenizer"] = nullptr;
  if (options.prefix == Prefix::none) {
    root["normalizer"] = replace(" ", kSpaceMark);
  } else if (options.prefix == Prefix::every) {
    root["normalizer"] = ordered_json::object(
        {{"type", "Sequence"},
         {"normalizers",
          ordered_json::array({ordered_json::object({{"type", "Prepend"}, {"prepend", kSpaceMark}}),
                               replace(" ", kSpaceMark)})}});
  } else {
    const bool first = options.prefix == Prefix::first_unless_space;
    root["pre_tokenizer"] = ordered_json::object({{"type", "Metaspace"},
                                                  {"replacement", kSpaceMark},
                                                  {"prepend_scheme", first ? "first" : "always"},
                                                  {"split", false}});
  }
  ordered_json decoders = ordered_json::array({replace(kSpaceMark, " "),
                                               ordered_json::object({{"type", "ByteFallback"}}),
                                               ordered_json::object({{"type", "Fuse"}})});
  if (options.strip_space) {
    decoders.push_back(
        ordered_json::object({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}));
  }
  root["decoder"] = ordered_json::object({{"type", "Sequence"}, {"decoders", decoders}});
}

}  // namespace unfold::data
