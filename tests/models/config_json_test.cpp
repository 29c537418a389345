#include "models/formats/config_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/temp_folder.h"

namespace unfold::models {
namespace {

using Json = nlohmann::json;

DecoderConfig unusual_decoder() {
  DecoderConfig config;
  config.architecture = Architecture::qwen2;
  config.vocab_size = 151936;
  config.width = 96;
  config.layers = 3;
  config.heads = 6;
  config.kv_heads = 2;
  config.head_dim = 20;
  config.ffn = 77;
  config.norm_eps = 1.0 / 3.0;
  config.rope = {12345.678, RopeScaling::yarn, 4.5, 1.5, 3.5, 30.1, 1.1, 32768, 0.7};
  config.qkv_bias = true;
  config.tied_embeddings = false;
  config.dropout = 0.1;
  config.init_std = 0;
  config.embedding_std = 1.5;
  config.max_positions = 4321;
  return config;
}

gsa::GistConfig unusual_gist() {
  gsa::GistConfig config;
  config.chunks = {16, 4, 2};
  config.sinks = 0;
  config.previous_chunks = 7;
  config.rule = gsa::InsertionRule::count;
  config.links = 5;
  return config;
}

TEST(ConfigJson, RoundTripIsExact) {
  EXPECT_EQ(decoder_from_json(to_json(unusual_decoder()), "x"), unusual_decoder());
  DecoderConfig plain;
  plain.vocab_size = 257;
  EXPECT_EQ(decoder_from_json(to_json(plain), "x"), plain);
  EXPECT_EQ(gist_from_json(to_json(unusual_gist()), "x"), unusual_gist());
  gsa::GistConfig none;
  none.chunks = {};
  EXPECT_EQ(gist_from_json(to_json(none), "x"), none);
}

// The error names `where` and the field.
void expect_refused(const Json& json, const std::string& field, bool decoder) {
  const std::string error = test::user_error([&] {
    if (decoder) {
      decoder_from_json(json.dump(), "FILE");
    } else {
      gist_from_json(json.dump(), "FILE");
    }
  });
  EXPECT_NE(error.find("FILE"), std::string::npos) << error;
  EXPECT_NE(error.find(field), std::string::npos) << error;
}

TEST(ConfigJson, EveryFieldMustBeThereAndOfItsType) {
  for (const bool decoder : {true, false}) {
    const Json good = Json::parse(decoder ? to_json(unusual_decoder()) : to_json(unusual_gist()));
    for (const auto& [field, value] : good.items()) {
      Json bad = good;
      bad.erase(field);
      if (field == "links") {  // not in older files
        EXPECT_EQ(gist_from_json(bad.dump(), "FILE").links, 0);
      } else if (field == "max_positions") {  // nor these two
        EXPECT_EQ(decoder_from_json(bad.dump(), "FILE").max_positions, 0);
      } else if (field == "rope_attention_factor") {
        EXPECT_EQ(decoder_from_json(bad.dump(), "FILE").rope.attention_factor, 0);
      } else {
        expect_refused(bad, field, decoder);
      }
      for (const Json& other : {Json(), Json("text"), Json::object(), Json({{"a", 1}})}) {
        bad = good;
        bad[field] = other;
        expect_refused(bad, field, decoder);
      }
      if (value.is_number_integer()) {
        for (const Json& other : {Json(-1), Json(1.5), Json(1e300), Json(std::int64_t{1} << 41),
                                  Json(~std::uint64_t{0}), Json(true)}) {
          bad = good;
          bad[field] = other;
          expect_refused(bad, field, decoder);
        }
      }
    }
  }
}

TEST(ConfigJson, ListsAreShortAndPositive) {
  const Json good = Json::parse(to_json(unusual_gist()));
  for (const Json& chunks : {Json({0}), Json({-3}), Json({1.5}), Json({"a"}), Json({Json::array()}),
                             Json({~std::uint64_t{0}}), Json(std::vector<int>(9, 2)),
                             Json(std::vector<int>(100000, 2))}) {
    Json bad = good;
    bad["chunks"] = chunks;
    expect_refused(bad, "chunks", false);
  }
}

TEST(ConfigJson, ImpossibleHeadsAreRefused) {
  Json json = Json::parse(to_json(unusual_decoder()));
  json["kv_heads"] = 4;  // of 6 heads
  expect_refused(json, "heads", true);
  json["kv_heads"] = 2;
  json["head_dim"] = 7;  // rotary positions need pairs
  expect_refused(json, "width 7", true);
}

TEST(ConfigJson, NotJsonIsRefused) {
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("[]"), std::string("3"), std::string("{\"a\""),
        std::string("\xff"), std::string(200000, '['), std::string(1000, '\0'),
        to_json(unusual_decoder()).substr(1)}) {
    test::user_error([&] { decoder_from_json(text, "FILE"); });
    test::user_error([&] { gist_from_json(text, "FILE"); });
  }
  const std::string good = to_json(unusual_decoder());
  for (std::size_t length = 0; length < good.size(); ++length) {
    test::user_error([&] { decoder_from_json(good.substr(0, length), "FILE"); });
  }
}

}  // namespace
}  // namespace unfold::models
