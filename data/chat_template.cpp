#include "data/chat_template.h"

#include <ctime>
#include <utility>

#include "core/error.h"
#include "data/tokenizer/characters.h"

namespace unfold::data {
namespace {

constexpr std::string_view kTag = "chat";
constexpr std::string_view kKnowledgeDate = "Cutting Knowledge Date: December 2023";

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

std::string_view trimmed(std::string_view text) {
  text.remove_prefix(leading_space(text));
  text.remove_suffix(trailing_space(text));
  return text;
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos;
       at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

// Jinja without the white space between its words, with single quotes, and with message.content for
// message['content'], so that spellings compare equal. White space inside quotes stays.
std::string compact(std::string_view jinja) {
  std::string result;
  char quote = '\0';
  for (const char c : jinja) {
    if (quote != '\0') {
      if (c == quote) quote = '\0';
      result += quote == '\0' ? '\'' : c;
    } else if (c == '\'' || c == '"') {
      quote = c;
      result += '\'';
    } else if (c != ' ' && c != '\n' && c != '\t' && c != '\r') {
      result += c;
    }
  }
  return replaced(replaced(std::move(result), "message.content", "message['content']"),
                  "message.role", "message['role']");
}

// The quoted text that holds `part`; empty when there is none.
std::string literal_around(std::string_view compacted, std::string_view part) {
  const std::size_t at = compacted.find(part);
  if (at == std::string_view::npos) return "";
  const std::size_t begin = compacted.rfind('\'', at);
  const std::size_t end = compacted.find('\'', at);
  if (begin == std::string_view::npos || end == std::string_view::npos) return "";
  return std::string(compacted.substr(begin + 1, end - begin - 1));
}

// "26 Jul 2024", whatever the locale.
std::string day_of_today() {
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t now = std::time(nullptr);
  std::tm day{};
  localtime_r(&now, &day);
  return fmt::format("{:02} {} {}", day.tm_mday, kMonths[day.tm_mon], day.tm_year + 1900);
}

}  // namespace

ChatTemplate::ChatTemplate(std::string_view jinja, std::string bos, std::string eos,
                           std::string_view origin)
    : bos_(std::move(bos)), eos_(std::move(eos)) {
  // Hidden reasoning is cut out of earlier turns, each model its own way.
  const bool reasons = has(jinja, "think") || has(jinja, "reasoning");
  const bool known =
      !reasons && (recognise_chatml(jinja) || recognise_llama3(jinja) || recognise_instruct(jinja));
  core::require(known, kTag,
                "{}: an unknown chat template: known are {}; write the prompt out and leave --chat "
                "out",
                origin, known_kinds());
}

std::string_view ChatTemplate::known_kinds() {
  return "ChatML (Qwen2, SmolLM2), Llama 3 and 3.1, Llama 2 and Mistral ([INST])";
}

std::string_view ChatTemplate::kind() const {
  switch (kind_) {
    case Kind::chatml:
      return "ChatML";
    case Kind::llama3:
      return "Llama 3";
    case Kind::llama31:
      return "Llama 3.1";
    case Kind::instruct:
      return instruct_.system == SystemPlace::llama2 ? "Llama 2" : "Mistral";
  }
  return "";
}

bool ChatTemplate::recognise_chatml(std::string_view jinja) {
  const std::string text = replaced(compact(jinja), "\n", "\\n");
  // <|im_start|>ROLE\nCONTENT<|im_end|>\n for every message.
  const std::string turn = "'<|im_start|>'+message['role']+'\\n'+message['content']";
  const auto turn_with = [&](std::string_view trim) {
    const std::string whole = turn + std::string(trim);
    return has(text, whole + "+'<|im_end|>'+'\\n'") || has(text, whole + "+'<|im_end|>\\n'");
  };
  trims_ = turn_with("|trim");
  if (!trims_ && !turn_with("")) return false;
  if (!has(text, "<|im_start|>assistant\\n'")) return false;
  end_of_turn_ = "<|im_end|>";
  const std::string_view begin = "'<|im_start|>system\\n";
  const std::string_view end = "<|im_end|>";
  // The system turn of its own is the literal that holds both its begin and its end.
  for (std::size_t at = text.find(begin); at != std::string::npos; at = text.find(begin, at + 1)) {
    const std::size_t from = at + begin.size();
    const std::size_t quote = text.find('\'', from);
    const std::size_t stop = text.find(end, from);
    if (stop == std::string::npos || quote == std::string::npos || quote < stop) continue;
    default_system_ = replaced(text.substr(from, stop - from), "\\n", "\n");
    break;
  }
  kind_ = Kind::chatml;
  return true;
}

bool ChatTemplate::recognise_llama3(std::string_view jinja) {
  const std::string text = replaced(compact(jinja), "\n", "\\n");
  const bool turns =
      has(text,
          "'<|start_header_id|>'+message['role']+'<|end_header_id|>\\n\\n'+message['content']|trim+"
          "'<|eot_id|>'") &&
      has(text, "'<|start_header_id|>assistant<|end_header_id|>\\n\\n'");
  if (!turns) return false;
  end_of_turn_ = "<|eot_id|>";
  trims_ = true;
  kind_ = Kind::llama3;
  if (!has(jinja, "Today Date")) return has(text, "bos_token");
  if (!has(jinja, kKnowledgeDate)) return false;
  kind_ = Kind::llama31;
  if (!has(jinja, "strftime_now")) {
    const std::string_view set = "setdate_string='";
    const std::size_t at = text.find(set);
    if (at == std::string::npos) return false;
    date_ = text.substr(at + set.size(), text.find('\'', at + set.size()) - at - set.size());
  }
  return true;
}

bool ChatTemplate::recognise_instruct(std::string_view jinja) {
  const std::string text = replaced(compact(jinja), "\n", "\\n");
  Instruct& instruct = instruct_;
  instruct.open = literal_around(text, "[INST]");
  instruct.close = literal_around(text, "[/INST]");
  if (trimmed(instruct.open) != "[INST]" || trimmed(instruct.close) != "[/INST]") return false;
  struct Answer {
    std::string_view text;
    const char* before;
    const char* behind;
    const char* behind_eos;
    bool trims;
  };
  // The longer ones first: the last are parts of the others.
  static constexpr Answer kAnswers[] = {
      {"' '+content.strip()+' '+eos_token", " ", " ", "", true},
      {"' '+content|trim+' '+eos_token", " ", " ", "", true},
      {"' '+message['content']|trim+eos_token", " ", "", "", true},
      {"' '+message['content']+eos_token", " ", "", "", false},
      {"{message['content']+eos_token+' '}", "", "", " ", false},
      {"{message['content']+eos_token}", "", "", "", false},
      {"{-message['content']+eos_token}", "", "", "", false},
  };
  const Answer* answer = nullptr;
  for (const Answer& one : kAnswers) {
    if (answer == nullptr && has(text, one.text)) answer = &one;
  }
  if (answer == nullptr) return false;
  instruct.before_answer = answer->before;
  instruct.behind_answer = answer->behind;
  instruct.behind_eos = answer->behind_eos;
  instruct.trims_answer = answer->trims;
  instruct.trims_user = has(text, "'+content.strip()+'" + instruct.close) ||
                        has(text, "'+content|trim+'" + instruct.close);
  instruct.bos_each_turn = has(text, "bos_token+'" + instruct.open);
  if (!instruct.bos_each_turn && !has(text, "{bos_token}") && !has(text, "{-bos_token}")) {
    return false;
  }
  if (has(text, "<<SYS>>")) {
    if (!has(text, "'<<SYS>>\\n'+system_message+'\\n<</SYS>>\\n\\n'")) return false;
    instruct.system = SystemPlace::llama2;
  } else if (has(text, "system_message")) {
    if (!has(text, "system_message+'\\n\\n'+message['content']")) return false;
    instruct.system =
        has(text, "loop.lastandsystem_message") ? SystemPlace::last_user : SystemPlace::first_user;
    if (instruct.system == SystemPlace::first_user && !has(text, "loop.firstandsystem_message")) {
      return false;
    }
  }
  end_of_turn_ = eos_;
  kind_ = Kind::instruct;
  return true;
}

std::string ChatTemplate::render(std::span<const ChatMessage> messages, bool add_generation_prompt,
                                 std::string_view today) const {
  core::require(!messages.empty(), kTag, "no messages: give at least one");
  for (const ChatMessage& message : messages) {
    core::require(message.role == "system" || message.role == "user" || message.role == "assistant",
                  kTag, "a message of role '{}': system, user and assistant are known",
                  message.role);
  }
  switch (kind_) {
    case Kind::chatml:
      return render_chatml(messages, add_generation_prompt);
    case Kind::llama3:
    case Kind::llama31:
      return render_llama3(messages, add_generation_prompt, today);
    case Kind::instruct:
      return render_instruct(messages);
  }
  return "";
}

std::string ChatTemplate::render_chatml(std::span<const ChatMessage> messages, bool prompt) const {
  std::string text;
  const auto put = [&](std::string_view role, std::string_view content) {
    text += fmt::format("<|im_start|>{}\n{}<|im_end|>\n", role, content);
  };
  if (!default_system_.empty() && messages[0].role != "system") put("system", default_system_);
  for (const ChatMessage& message : messages) {
    put(message.role, trims_ ? trimmed(message.content) : message.content);
  }
  if (prompt) text += "<|im_start|>assistant\n";
  return text;
}

std::string ChatTemplate::render_llama3(std::span<const ChatMessage> messages, bool prompt,
                                        std::string_view today) const {
  std::string text = bos_;
  const auto put = [&](std::string_view role, std::string_view content) {
    text += fmt::format("<|start_header_id|>{}<|end_header_id|>\n\n{}<|eot_id|>", role, content);
  };
  if (kind_ == Kind::llama31) {
    // Always a system turn, with the dates in front of what it says.
    std::string_view system;
    if (messages[0].role == "system") {
      system = trimmed(messages[0].content);
      messages = messages.subspan(1);
    }
    const std::string date = !date_.empty()   ? date_
                             : !today.empty() ? std::string(today)
                                              : day_of_today();
    put("system", fmt::format("{}\nToday Date: {}\n\n{}", kKnowledgeDate, date, system));
  }
  for (const ChatMessage& message : messages) put(message.role, trimmed(message.content));
  if (prompt) text += "<|start_header_id|>assistant<|end_header_id|>\n\n";
  return text;
}

std::string ChatTemplate::render_instruct(std::span<const ChatMessage> messages) const {
  const Instruct& instruct = instruct_;
  std::string system;
  bool has_system = false;
  if (messages[0].role == "system") {
    core::require(instruct.system != SystemPlace::none, kTag,
                  "this model's chat template has no place for a system message: leave it out");
    system = messages[0].content;
    has_system = true;
    messages = messages.subspan(1);
  }
  std::string text = instruct.bos_each_turn ? "" : bos_;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const std::string& content = messages[i].content;
    core::require(messages[i].role == (i % 2 == 0 ? "user" : "assistant"), kTag,
                  "message {} is of role {}: behind a system message user and assistant take turns",
                  i, messages[i].role);
    if (i % 2 == 1) {
      text += instruct.before_answer;
      text += instruct.trims_answer ? trimmed(content) : content;
      text += instruct.behind_answer + eos_ + instruct.behind_eos;
      continue;
    }
    const bool place =
        instruct.system == SystemPlace::last_user ? i + 1 == messages.size() : i == 0;
    std::string whole = content;
    if (has_system && place) {
      whole = instruct.system == SystemPlace::llama2
                  ? fmt::format("<<SYS>>\n{}\n<</SYS>>\n\n{}", system, content)
                  : fmt::format("{}\n\n{}", system, content);
    }
    if (instruct.bos_each_turn) text += bos_;
    text += instruct.open;
    text += instruct.trims_user ? trimmed(whole) : whole;
    text += instruct.close;
  }
  return text;
}

}  // namespace unfold::data
