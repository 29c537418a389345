// Chat templates: from messages to the text that a chat model was trained on.
//
// Models carry their template as a Jinja program. The common ones are recognised by what they write
// and rendered by hand; any other is refused, since a prompt that is nearly right only makes the
// model worse. Tools, several texts a message and hidden reasoning are not rendered.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer/tokenizer.h"

namespace unfold::data {

struct ChatMessage {
  std::string role;  // "system", "user" or "assistant"
  std::string content;
};

class ChatTemplate {
 public:
  // bos, eos: the texts of these tokens, as templates insert them; may be empty. origin: the file,
  // for errors. Throws core::UserError for a template that is none of known_kinds().
  ChatTemplate(std::string_view jinja, std::string bos, std::string eos, std::string_view origin);

  // The same text as apply_chat_template(messages, tokenize=False) of transformers.
  // add_generation_prompt: the beginning of the assistant's turn follows. today: "26 Jul 2024", for
  // the templates that name the day; empty: the day it is. Throws core::UserError where the
  // template forbids these messages: roles that do not alternate, a system message it has no place
  // for.
  std::string render(std::span<const ChatMessage> messages, bool add_generation_prompt,
                     std::string_view today = {}) const;

  std::string_view kind() const;  // "ChatML", ...
  // Text of the special token that ends a turn of the assistant.
  const std::string& end_of_turn() const { return end_of_turn_; }

  static std::string_view known_kinds();

 private:
  enum class Kind { chatml, llama3, llama31, instruct };

  bool recognise_chatml(std::string_view jinja);
  bool recognise_llama3(std::string_view jinja);
  bool recognise_instruct(std::string_view jinja);
  std::string render_chatml(std::span<const ChatMessage> messages, bool prompt) const;
  std::string render_llama3(std::span<const ChatMessage> messages, bool prompt,
                            std::string_view today) const;
  std::string render_instruct(std::span<const ChatMessage> messages) const;

  Kind kind_ = Kind::chatml;
  std::string bos_;
  std::string eos_;
  std::string end_of_turn_;
  std::string default_system_;  // ChatML: text of the system turn put first; "": none is put
  bool trims_ = false;          // contents lose the white space around them
  std::string date_;            // Llama 3.1: the day in the template; "": today

  // [INST]: what stands around the turns.
  enum class SystemPlace { none, first_user, last_user, llama2 };
  struct Instruct {
    std::string open;
    std::string close;
    std::string before_answer;
    std::string behind_answer;  // before eos
    std::string behind_eos;
    bool bos_each_turn = false;
    bool trims_user = false;
    bool trims_answer = false;
    SystemPlace system = SystemPlace::none;
  };
  Instruct instruct_;
};

struct ChatTemplateText {
  std::string jinja;
  std::filesystem::path file;  // that it was read from
};

// The template of a run or model folder: chat_template.txt, chat_template.jinja, or chat_template
// in tokenizer_config.json (of a list of named ones, the default); nothing when there is none.
// Throws core::UserError for files that cannot be read.
std::optional<ChatTemplateText> find_chat_template(const std::filesystem::path& folder);
// The same, ready to render. Throws core::UserError also for a template that is not known.
std::optional<ChatTemplate> load_chat_template(const std::filesystem::path& folder,
                                               const Tokenizer& tokenizer);

}  // namespace unfold::data
