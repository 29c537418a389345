#include "models/formats/hugging_face_config.h"

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "models/formats/config_json.h"

namespace unfold::models {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kTag = "import";

// Typed access to the members of one object; a missing or null member gives the fallback.
class Members {
 public:
  Members(const Json& json, std::string file) : json_(json), file_(std::move(file)) {}

  const std::string& file() const { return file_; }
  bool has(const char* key) const { return json_.contains(key); }
  // nullptr when missing or null.
  const Json* get(const char* key) const {
    const auto found = json_.find(key);
    return found == json_.end() || found->is_null() ? nullptr : &*found;
  }
  std::int64_t integer(const char* key, std::int64_t least, std::int64_t most,
                       std::optional<std::int64_t> fallback = std::nullopt) const {
    const Json* value = need(key, fallback.has_value());
    if (value == nullptr) return *fallback;
    // Some files say 1e6 or 8192.0.
    double number = value->is_number() ? value->get<double>() : NAN;
    core::require(number == std::floor(number) && number >= static_cast<double>(least) &&
                      number <= static_cast<double>(most),
                  kTag, "{}: {} is {}: expected an integer of {} to {}", file_, key, value->dump(),
                  least, most);
    return static_cast<std::int64_t>(number);
  }
  // Above 0.
  double positive(const char* key, std::optional<double> fallback = std::nullopt) const {
    const Json* value = need(key, fallback.has_value());
    if (value == nullptr) return *fallback;
    core::require(
        value->is_number() && std::isfinite(value->get<double>()) && value->get<double>() > 0, kTag,
        "{}: {} is {}: expected a number above 0", file_, key, value->dump());
    return value->get<double>();
  }
  bool boolean(const char* key, bool fallback) const {
    const Json* value = get(key);
    if (value == nullptr) return fallback;
    core::require(value->is_boolean(), kTag, "{}: {} is {}: expected true or false", file_, key,
                  value->dump());
    return value->get<bool>();
  }
  std::string text(const char* key, const char* fallback) const {
    const Json* value = get(key);
    if (value == nullptr) return fallback;
    core::require(value->is_string(), kTag, "{}: {} is {}: expected text", file_, key,
                  value->dump());
    return value->get<std::string>();
  }
  // Fails when the member is there with a value other than those that change nothing.
  void must_be(const char* key, const Json& harmless) const {
    const Json* value = get(key);
    core::require(value == nullptr || *value == harmless, kTag,
                  "{}: {} is {}: not supported, must be {}", file_, key, value ? value->dump() : "",
                  harmless.dump());
  }

 private:
  const Json* need(const char* key, bool optional) const {
    const Json* value = get(key);
    core::require(value != nullptr || optional, kTag, "{}: {} is missing", file_, key);
    return value;
  }

  const Json& json_;
  std::string file_;
};

constexpr std::int64_t kMost = 1'000'000'000;

enum class Family { llama, qwen2, mistral };

Family family_of(const Members& config) {
  static const std::map<std::string, Family> families = {{"LlamaForCausalLM", Family::llama},
                                                         {"Qwen2ForCausalLM", Family::qwen2},
                                                         {"MistralForCausalLM", Family::mistral},
                                                         {"llama", Family::llama},
                                                         {"qwen2", Family::qwen2},
                                                         {"mistral", Family::mistral}};
  std::string name = config.text("model_type", "");
  if (const Json* list = config.get("architectures")) {
    core::require(list->is_array() && list->size() == 1 && list->front().is_string(), kTag,
                  "{}: architectures is {}: expected one name", config.file(), list->dump());
    name = list->front().get<std::string>();
  }
  const auto found = families.find(name);
  core::require(found != families.end(), kTag,
                "{}: architecture {}: supported are LlamaForCausalLM, Qwen2ForCausalLM and "
                "MistralForCausalLM",
                config.file(), Json(name).dump());
  return found->second;
}

void refuse_sliding_window(const Members& config, Family family, std::int64_t layers,
                           std::int64_t positions) {
  bool used = false;
  if (family == Family::mistral && config.get("sliding_window") != nullptr) {
    used = config.integer("sliding_window", 0, kMost) < positions;
  }
  core::require(family != Family::mistral || config.has("sliding_window"), kTag,
                "{}: no sliding_window, which means 4096 to transformers: write null if the model "
                "has none",
                config.file());
  if (family == Family::qwen2 && config.boolean("use_sliding_window", false) &&
      config.get("sliding_window") != nullptr) {
    used = config.integer("max_window_layers", 0, kMost, 28) < layers &&
           config.integer("sliding_window", 0, kMost) < positions;
  }
  if (const Json* types = config.get("layer_types"); types != nullptr && types->is_array()) {
    for (const Json& type : *types) {
      core::require(type == "full_attention", kTag,
                    "{}: layer_types holds {}: only full attention is supported", config.file(),
                    type.dump());
    }
  }
  if (!used) return;
  core::fail(kTag, "{}: sliding_window is {} of {} positions: a sliding window is not supported",
             config.file(), config.get("sliding_window")->dump(), positions);
}

// As transformers: mscale and mscale_all_dim, where both are there and not 0, replace the rule.
double yarn_attention_factor(const Members& rope, double factor) {
  if (rope.get("attention_factor") != nullptr) return rope.positive("attention_factor");
  const auto number = [&](const char* key) {
    const Json* value = rope.get(key);
    return value != nullptr && value->is_number() ? value->get<double>() : 0.0;
  };
  const auto scale = [&](double mscale) {
    return factor <= 1 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0;
  };
  if (number("mscale") == 0 || number("mscale_all_dim") == 0) return 0;
  const double result = scale(number("mscale")) / scale(number("mscale_all_dim"));
  core::require(std::isfinite(result) && result > 0, kTag, "{}: mscale is {}: out of range",
                rope.file(), number("mscale"));
  return result;
}

RopeConfig read_rope(const Members& config, std::int64_t positions) {
  RopeConfig rope;
  rope.theta = config.positive("rope_theta", 10000.0);
  const Json* scaling = config.get("rope_parameters");
  if (scaling == nullptr) scaling = config.get("rope_scaling");
  if (scaling == nullptr) return rope;
  core::require(scaling->is_object(), kTag, "{}: RoPE parameters {}: expected an object",
                config.file(), scaling->dump());
  const Members members(*scaling, config.file() + ": RoPE scaling");
  rope.theta = members.positive("rope_theta", rope.theta);
  members.must_be("partial_rotary_factor", 1.0);
  members.must_be("truncate", true);
  const std::string kind = members.text("rope_type", members.text("type", "default").c_str());
  if (kind == "default") return rope;
  if (kind == "linear") {
    rope.scaling = RopeScaling::linear;
  } else if (kind == "dynamic") {
    rope.scaling = RopeScaling::dynamic;
  } else if (kind == "yarn") {
    rope.scaling = RopeScaling::yarn;
  } else if (kind == "llama3") {
    rope.scaling = RopeScaling::llama3;
  } else {
    core::fail(kTag, "{}: rope_type {}: supported are linear, dynamic, yarn and llama3",
               config.file(), Json(kind).dump());
  }
  // transformers compares dynamic with max_position_embeddings, whatever stands beside it.
  std::int64_t original = positions;
  if (kind == "yarn" || kind == "llama3") {
    original = members.integer("original_max_position_embeddings", 1, kMost, positions);
    original = config.integer("original_max_position_embeddings", 1, kMost, original);
  }
  if (kind != "linear") rope.original_context = original;
  std::optional<double> factor;  // yarn may leave it to the two lengths
  if (kind == "yarn") factor = static_cast<double>(positions) / static_cast<double>(original);
  rope.factor = members.positive("factor", factor);
  core::require(rope.factor >= 1, kTag, "{}: factor {} is below 1", members.file(), rope.factor);
  if (kind == "llama3") {
    rope.low_frequency_factor = members.positive("low_freq_factor");
    rope.high_frequency_factor = members.positive("high_freq_factor");
    core::require(rope.low_frequency_factor < rope.high_frequency_factor, kTag,
                  "{}: low_freq_factor {} is not below high_freq_factor {}", members.file(),
                  rope.low_frequency_factor, rope.high_frequency_factor);
  }
  if (kind == "yarn") {
    rope.beta_fast = members.positive("beta_fast", 32.0);
    rope.beta_slow = members.positive("beta_slow", 1.0);
    rope.attention_factor = yarn_attention_factor(members, rope.factor);
    core::require(rope.beta_slow < rope.beta_fast && rope.attention_factor <= 1000, kTag,
                  "{}: beta_slow {} is not below beta_fast {}, or the attention factor {} is out "
                  "of range",
                  members.file(), rope.beta_slow, rope.beta_fast, rope.attention_factor);
  }
  return rope;
}

std::optional<ExportedGists> read_exported(const Members& config) {
  const Json* json = config.get("unfold");
  if (json == nullptr) return std::nullopt;
  const std::string where = config.file() + ": unfold";
  core::require(json->is_object() && json->contains("gist"), kTag, "{}: expected gist settings",
                where);
  const Members members(*json, where);
  return ExportedGists{gist_from_json((*json)["gist"].dump(), where),
                       members.integer("tokenizer_size", 1, kMost)};
}

// {"rope_theta": ..} alone, or with the scaling.
Json rope_json(const RopeConfig& rope) {
  Json json = {{"rope_theta", rope.theta}};
  switch (rope.scaling) {
    case RopeScaling::none:
      json["rope_type"] = "default";
      return json;
    case RopeScaling::linear:
      json["rope_type"] = "linear";
      break;
    case RopeScaling::dynamic:
      json["rope_type"] = "dynamic";
      break;
    case RopeScaling::yarn:
      json["rope_type"] = "yarn";
      json["beta_fast"] = rope.beta_fast;
      json["beta_slow"] = rope.beta_slow;
      if (rope.attention_factor > 0) json["attention_factor"] = rope.attention_factor;
      json["original_max_position_embeddings"] = rope.original_context;
      break;
    case RopeScaling::llama3:
      json["rope_type"] = "llama3";
      json["low_freq_factor"] = rope.low_frequency_factor;
      json["high_freq_factor"] = rope.high_frequency_factor;
      json["original_max_position_embeddings"] = rope.original_context;
      break;
  }
  json["factor"] = rope.factor;
  return json;
}

}  // namespace

HuggingFaceConfig hugging_face_config_from_json(std::string_view text, const std::string& file) {
  const Json json = Json::parse(text, nullptr, false);
  core::require(json.is_object(), kTag,
                "{}: not a JSON object: the file is damaged, fetch it again", file);
  const Members config(json, file);
  const Family family = family_of(config);
  HuggingFaceConfig result;
  DecoderConfig& decoder = result.decoder;
  decoder.architecture = family == Family::qwen2 ? Architecture::qwen2 : Architecture::llama;
  decoder.vocab_size = config.integer("vocab_size", 1, 10'000'000);
  decoder.width = config.integer("hidden_size", 1, 100'000);
  decoder.layers = config.integer("num_hidden_layers", 1, 1000);
  decoder.heads = config.integer("num_attention_heads", 1, 1000);
  decoder.kv_heads = config.integer("num_key_value_heads", 1, 1000, decoder.heads);
  decoder.head_dim = config.integer("head_dim", 1, 1000, 0);
  decoder.ffn = config.integer("intermediate_size", 1, 1'000'000);
  decoder.norm_eps = config.positive("rms_norm_eps", 1e-6);
  decoder.max_positions =
      config.integer("max_position_embeddings", 1, kMost, family == Family::llama ? 2048 : 32768);
  decoder.qkv_bias = family == Family::qwen2;
  decoder.tied_embeddings = config.boolean("tie_word_embeddings", false);
  core::require(decoder.head_dim > 0 || decoder.width % decoder.heads == 0, kTag,
                "{}: hidden_size {} is not a multiple of num_attention_heads {}", file,
                decoder.width, decoder.heads);
  // The same shape has one spelling, whether or not the file names the width of a head.
  if (decoder.head_dim * decoder.heads == decoder.width) decoder.head_dim = 0;
  core::require(decoder.heads % decoder.kv_heads == 0, kTag,
                "{}: num_attention_heads {} is not a multiple of num_key_value_heads {}", file,
                decoder.heads, decoder.kv_heads);
  core::require(decoder.head_width() > 0 && decoder.head_width() % 2 == 0, kTag,
                "{}: heads of width {}: rotary positions need an even one", file,
                decoder.head_width());
  config.must_be("hidden_act", "silu");
  config.must_be("mlp_bias", false);
  config.must_be("partial_rotary_factor", 1.0);
  // In Llama it would also be a bias of the output projection, which there is no place for.
  if (family == Family::qwen2) {
    config.must_be("attention_bias", true);
  } else {
    config.must_be("attention_bias", false);
  }
  core::require(config.get("quantization_config") == nullptr, kTag,
                "{}: quantization_config: quantized weights are not supported: fetch the model as "
                "it was trained",
                file);
  refuse_sliding_window(config, family, decoder.layers, decoder.max_positions);
  decoder.rope = read_rope(config, decoder.max_positions);
  result.exported = read_exported(config);
  if (result.exported) {
    decoder.vocab_size -= result.exported->gist.rows();
    core::require(decoder.vocab_size >= result.exported->tokenizer_size, kTag,
                  "{}: unfold: {} rows without gists, but a tokenizer of {} entries", file,
                  decoder.vocab_size, result.exported->tokenizer_size);
  }
  return result;
}

std::string hugging_face_config_json(const DecoderConfig& decoder, const ExportedGists& exported,
                                     const DocumentTokens& tokens, std::string_view dtype) {
  // Biases on query, key and value alone are what Qwen2 has, and none what Llama has: the two
  // differ in nothing else.
  const bool qwen2 = decoder.qkv_bias;
  const bool dynamic = decoder.rope.scaling == RopeScaling::dynamic;
  std::int64_t positions = decoder.max_positions > 0 ? decoder.max_positions : 8192;
  if (dynamic) positions = decoder.rope.original_context;
  Json json = {{"architectures", {qwen2 ? "Qwen2ForCausalLM" : "LlamaForCausalLM"}},
               {"model_type", qwen2 ? "qwen2" : "llama"},
               {"dtype", dtype},
               {"vocab_size", decoder.vocab_size + exported.gist.rows()},
               {"hidden_size", decoder.width},
               {"intermediate_size", decoder.ffn},
               {"num_hidden_layers", decoder.layers},
               {"num_attention_heads", decoder.heads},
               {"num_key_value_heads", decoder.kv_heads},
               {"head_dim", decoder.head_width()},
               {"hidden_act", "silu"},
               {"max_position_embeddings", positions},
               {"initializer_range", decoder.init_std > 0 ? decoder.init_std : 0.02},
               {"rms_norm_eps", decoder.norm_eps},
               {"tie_word_embeddings", decoder.tied_embeddings},
               {"attention_dropout", 0.0},
               {"rope_parameters", rope_json(decoder.rope)},
               {"eos_token_id", tokens.eos},
               {"bos_token_id", nullptr},
               {"unfold",
                {{"gist", Json::parse(to_json(exported.gist))},
                 {"tokenizer_size", exported.tokenizer_size}}}};
  // transformers 4 reads these two.
  json["rope_theta"] = decoder.rope.theta;
  if (decoder.rope.scaling != RopeScaling::none) json["rope_scaling"] = json["rope_parameters"];
  if (tokens.bos) json["bos_token_id"] = *tokens.bos;
  if (!qwen2) {
    json["attention_bias"] = false;
    json["mlp_bias"] = false;
  } else {
    json["use_sliding_window"] = false;
  }
  return json.dump(2) + "\n";
}

}  // namespace unfold::models
