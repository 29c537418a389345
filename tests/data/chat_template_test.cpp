// Chat templates against what transformers renders (tests/golden/make_chat_templates.py).
#include "data/chat_template.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "data/tokenizer/tokenizer.h"
#include "tests/data/tokenizer_test_files.h"

namespace unfold::data {
namespace {

using nlohmann::json;

json golden() {
  return json::parse(
      read_bytes(std::filesystem::path(UNFOLD_SOURCE_DIR) / "tests/golden/chat_templates.json"));
}

TEST(ChatTemplate, RendersWhatTransformersRenders) {
  for (const json& entry : golden()) {
    const ChatTemplate chat(entry["template"].get<std::string>(), entry["bos"], entry["eos"],
                            "golden");
    for (const json& one : entry["cases"]) {
      std::vector<ChatMessage> messages;
      for (const json& message : one["messages"]) {
        messages.push_back({message["role"], message["content"]});
      }
      if (one["text"].is_null()) {
        EXPECT_THROW(chat.render(messages, one["prompt"]), core::UserError) << entry["name"];
      } else {
        EXPECT_EQ(chat.render(messages, one["prompt"]), one["text"].get<std::string>())
            << entry["name"];
      }
    }
  }
}

TEST(ChatTemplate, NamesTheKindAndTheEndOfATurn) {
  const auto kind = [](const char* name) {
    for (const json& entry : golden()) {
      if (entry["name"] != name) continue;
      const ChatTemplate chat(entry["template"].get<std::string>(), "<s>", "</s>", "golden");
      return std::string(chat.kind()) + " " + chat.end_of_turn();
    }
    return std::string();
  };
  EXPECT_EQ(kind("SmolLM2"), "ChatML <|im_end|>");
  EXPECT_EQ(kind("Llama 3"), "Llama 3 <|eot_id|>");
  EXPECT_EQ(kind("Llama 3.1"), "Llama 3.1 <|eot_id|>");
  EXPECT_EQ(kind("Llama 2"), "Llama 2 </s>");
  EXPECT_EQ(kind("Mistral 0.3"), "Mistral </s>");
}

TEST(ChatTemplate, TheDayIsThatOfTheCallWhereTheTemplateAsksForIt) {
  for (const json& entry : golden()) {
    if (entry["name"] != "Llama 3.1") continue;
    const std::string text = entry["template"].get<std::string>() + "{# strftime_now #}";
    const ChatTemplate chat(text, "<s>", "</s>", "golden");
    const ChatMessage message{"user", "Hi"};
    const std::string rendered = chat.render(std::span(&message, 1), true, "01 Feb 2030");
    EXPECT_NE(rendered.find("Today Date: 01 Feb 2030\n"), std::string::npos) << rendered;
    EXPECT_NE(chat.render(std::span(&message, 1), true).find("Today Date: "), std::string::npos);
  }
}

TEST(ChatTemplate, UnknownTemplatesAndMessagesAreRefused) {
  const auto refused = [](const std::string& jinja) {
    const std::string message =
        user_error([&] { ChatTemplate(jinja, "<s>", "</s>", "x/chat_template.txt"); });
    EXPECT_NE(message.find("x/chat_template.txt: an unknown chat template"), std::string::npos);
    EXPECT_NE(message.find("ChatML"), std::string::npos) << message;
  };
  refused("");
  refused("{{ messages }}");
  refused("{% for m in messages %}<|user|>{{ m['content'] }}{% endfor %}");
  refused("'''\"\"\"[INST]'[/INST]'");
  // Any part of a known template is an error or a template, and never a crash.
  for (const json& entry : golden()) {
    const std::string whole = entry["template"];
    for (std::size_t size = 0; size < whole.size(); size += 7) {
      try {
        ChatTemplate(whole.substr(0, size), "<s>", "</s>", "part");
      } catch (const core::UserError&) {
      }
    }
    // Models that think aloud write other turns.
    refused(whole + "{% if enable_thinking %}{{ '<think>' }}{% endif %}");
  }
  const ChatTemplate chat(golden()[0]["template"].get<std::string>(), "", "", "golden");
  EXPECT_THROW(chat.render({}, true), core::UserError);
  const ChatMessage tool{"tool", "x"};
  EXPECT_THROW(chat.render(std::span(&tool, 1), true), core::UserError);
}

class ChatTemplateFileTest : public FilesTest {};

TEST_F(ChatTemplateFileTest, IsFoundWhereFoldersKeepIt) {
  const auto tokenizer = load_tokenizer("byte");
  EXPECT_FALSE(load_chat_template(folder_, *tokenizer));
  const std::string chatml = golden()[0]["template"];
  const std::string llama = golden()[4]["template"];
  write("tokenizer_config.json", R"({"eos_token": "<|endoftext|>"})");
  EXPECT_FALSE(load_chat_template(folder_, *tokenizer));
  write("tokenizer_config.json", json({{"chat_template", chatml}}).dump());
  EXPECT_EQ(load_chat_template(folder_, *tokenizer)->kind(), "ChatML");
  json list = json::array();
  list.push_back({{"name", "tool_use"}, {"template", "?"}});
  list.push_back({{"name", "default"}, {"template", llama}});
  write("tokenizer_config.json", json({{"chat_template", list}}).dump());
  EXPECT_EQ(load_chat_template(folder_, *tokenizer)->kind(), "Llama 3");
  write("tokenizer_config.json", R"({"chat_template": 5})");
  EXPECT_NE(user_error([&] { load_chat_template(folder_, *tokenizer); }).find("chat_template"),
            std::string::npos);
  write("chat_template.txt", chatml);
  EXPECT_EQ(load_chat_template(folder_, *tokenizer)->kind(), "ChatML");
}

}  // namespace
}  // namespace unfold::data
