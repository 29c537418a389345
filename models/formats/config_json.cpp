#include "models/formats/config_json.h"

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "core/error.h"

namespace unfold::models {
namespace {

using Json = nlohmann::json;

const std::map<std::string, Architecture> kArchitectures = {{"llama", Architecture::llama},
                                                            {"qwen2", Architecture::qwen2}};
const std::map<std::string, RopeScaling> kScalings = {{"none", RopeScaling::none},
                                                      {"linear", RopeScaling::linear},
                                                      {"dynamic", RopeScaling::dynamic},
                                                      {"yarn", RopeScaling::yarn},
                                                      {"llama3", RopeScaling::llama3}};
const std::map<std::string, gsa::InsertionRule> kRules = {{"word", gsa::InsertionRule::word},
                                                          {"count", gsa::InsertionRule::count}};

template <typename Enum>
std::string name_in(const std::map<std::string, Enum>& names, Enum value) {
  for (const auto& [name, named] : names) {
    if (named == value) return name;
  }
  return "";
}

constexpr std::int64_t kLargest = std::int64_t{1} << 40;

// Reads fields of one object; every problem is a UserError that names the field.
class Fields {
 public:
  Fields(std::string_view text, std::string where)
      : where_(std::move(where)), json_(Json::parse(text, nullptr, false)) {
    core::require(json_.is_object(), "model", "{}: damaged model description", where_);
  }

  std::int64_t integer(const char* key, std::int64_t least) const {
    const Json& value = get(key);
    const bool good = value.is_number_integer() && value.get<std::int64_t>() >= least &&
                      value.get<std::int64_t>() <= kLargest;
    core::require(good, "model", "{}: '{}' is not an integer of at least {}", where_, key, least);
    return value.get<std::int64_t>();
  }
  double number(const char* key) const {
    const Json& value = get(key);
    core::require(value.is_number() && std::isfinite(value.get<double>()), "model",
                  "{}: '{}' is not a number", where_, key);
    return value.get<double>();
  }
  bool boolean(const char* key) const {
    const Json& value = get(key);
    core::require(value.is_boolean(), "model", "{}: '{}' is not true or false", where_, key);
    return value.get<bool>();
  }
  template <typename Enum>
  Enum choice(const char* key, const std::map<std::string, Enum>& names) const {
    const Json& value = get(key);
    const auto found = value.is_string() ? names.find(value.get<std::string>()) : names.end();
    core::require(found != names.end(), "model", "{}: unknown {} {}", where_, key, value.dump());
    return found->second;
  }
  std::vector<std::int64_t> integers(const char* key) const {
    const Json& value = get(key);
    core::require(value.is_array() && value.size() <= 8, "model", "{}: '{}' is not a short list",
                  where_, key);
    std::vector<std::int64_t> result;
    for (const Json& element : value) {
      core::require(element.is_number_integer() && element.get<std::int64_t>() > 0 &&
                        element.get<std::int64_t>() < kLargest,
                    "model", "{}: '{}' holds {}", where_, key, element.dump());
      result.push_back(element.get<std::int64_t>());
    }
    return result;
  }
  bool has(const char* key) const { return json_.contains(key); }

 private:
  const Json& get(const char* key) const {
    const auto found = json_.find(key);
    core::require(found != json_.end(), "model", "{}: '{}' is missing", where_, key);
    return *found;
  }

  std::string where_;
  Json json_;
};

}  // namespace

std::string to_json(const DecoderConfig& config) {
  return Json{{"architecture", name_in(kArchitectures, config.architecture)},
              {"vocab_size", config.vocab_size},
              {"width", config.width},
              {"layers", config.layers},
              {"heads", config.heads},
              {"kv_heads", config.kv_heads},
              {"head_dim", config.head_dim},
              {"ffn", config.ffn},
              {"norm_eps", config.norm_eps},
              {"rope_theta", config.rope.theta},
              {"rope_scaling", name_in(kScalings, config.rope.scaling)},
              {"rope_factor", config.rope.factor},
              {"rope_low_frequency_factor", config.rope.low_frequency_factor},
              {"rope_high_frequency_factor", config.rope.high_frequency_factor},
              {"rope_beta_fast", config.rope.beta_fast},
              {"rope_beta_slow", config.rope.beta_slow},
              {"rope_attention_factor", config.rope.attention_factor},
              {"rope_original_context", config.rope.original_context},
              {"qkv_bias", config.qkv_bias},
              {"tied_embeddings", config.tied_embeddings},
              {"dropout", config.dropout},
              {"init_std", config.init_std},
              {"embedding_std", config.embedding_std},
              {"max_positions", config.max_positions}}
      .dump();
}

DecoderConfig decoder_from_json(std::string_view text, const std::string& where) {
  const Fields fields(text, where);
  DecoderConfig config;
  config.architecture = fields.choice("architecture", kArchitectures);
  config.vocab_size = fields.integer("vocab_size", 1);
  config.width = fields.integer("width", 1);
  config.layers = fields.integer("layers", 1);
  config.heads = fields.integer("heads", 1);
  config.kv_heads = fields.integer("kv_heads", 1);
  config.head_dim = fields.integer("head_dim", 0);
  config.ffn = fields.integer("ffn", 1);
  config.norm_eps = fields.number("norm_eps");
  config.rope.theta = fields.number("rope_theta");
  config.rope.scaling = fields.choice("rope_scaling", kScalings);
  config.rope.factor = fields.number("rope_factor");
  config.rope.low_frequency_factor = fields.number("rope_low_frequency_factor");
  config.rope.high_frequency_factor = fields.number("rope_high_frequency_factor");
  config.rope.beta_fast = fields.number("rope_beta_fast");
  config.rope.beta_slow = fields.number("rope_beta_slow");
  // Older files have neither this nor max_positions.
  if (fields.has("rope_attention_factor")) {
    config.rope.attention_factor = fields.number("rope_attention_factor");
  }
  config.rope.original_context = fields.integer("rope_original_context", 1);
  config.qkv_bias = fields.boolean("qkv_bias");
  config.tied_embeddings = fields.boolean("tied_embeddings");
  config.dropout = fields.number("dropout");
  config.init_std = fields.number("init_std");
  config.embedding_std = fields.number("embedding_std");
  if (fields.has("max_positions")) config.max_positions = fields.integer("max_positions", 0);
  core::require(config.heads % config.kv_heads == 0, "model",
                "{}: {} heads are not a multiple of {} key heads", where, config.heads,
                config.kv_heads);
  core::require(config.head_width() > 0 && config.head_width() % 2 == 0, "model",
                "{}: heads of width {}", where, config.head_width());
  return config;
}

std::string to_json(const gsa::GistConfig& config) {
  return Json{{"chunks", config.chunks},
              {"sinks", config.sinks},
              {"previous_chunks", config.previous_chunks},
              {"rule", name_in(kRules, config.rule)},
              {"links", config.links}}
      .dump();
}

gsa::GistConfig gist_from_json(std::string_view text, const std::string& where) {
  const Fields fields(text, where);
  gsa::GistConfig config;
  config.chunks = fields.integers("chunks");
  config.sinks = fields.integer("sinks", 0);
  config.previous_chunks = fields.integer("previous_chunks", 0);
  config.rule = fields.choice("rule", kRules);
  config.links = fields.has("links") ? fields.integer("links", 0) : 0;  // older files have none
  core::require(config.links <= gsa::kMaxLinks, "model", "{}: {} links", where, config.links);
  return config;
}

}  // namespace unfold::models
