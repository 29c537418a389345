// Section: binds the members of one config struct to keys, one line a key.
//
//     Section train(schema, "train", "the run itself", [](auto& c) -> auto& { return c.train; });
//     train.add("steps", &train::TrainConfig::steps, at_least(1), "optimizer steps");
//
// The type of the member decides the type of the key.
#pragma once

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "cli/config/range.h"
#include "cli/config/schema.h"
#include "core/text_format.h"

namespace unfold::cli {

// Names of the values of an enumeration, in the order they are told.
template <typename Enum>
using Choices = std::vector<std::pair<std::string, Enum>>;

template <typename T>
constexpr std::string_view type_name() {
  if constexpr (std::is_same_v<T, bool>) return "boolean";
  if constexpr (std::is_same_v<T, double>) return "number";
  if constexpr (std::is_same_v<T, std::int64_t> || std::is_same_v<T, std::uint64_t>) {
    return "integer";
  }
  if constexpr (std::is_same_v<T, std::string>) return "text";
  if constexpr (std::is_same_v<T, std::vector<std::int64_t>>) return "list of integers";
  if constexpr (std::is_same_v<T, std::vector<double>>) return "list of numbers";
  if constexpr (std::is_same_v<T, std::vector<std::string>>) return "list of texts";
}

// Access: a generic lambda that takes Config& or const Config& and returns the section's struct.
template <typename Access>
class Section {
 public:
  Section(Schema& schema, std::string name, std::string help, Access access)
      : schema_(schema), name_(std::move(name)), access_(access) {
    schema_.add_section({name_, std::move(help)});
  }

  // A key that takes every value of its type.
  template <typename Struct, typename T>
  void add(std::string_view name, T Struct::*member, std::string help) {
    add_checked(name, member, "", std::move(help), [](const T&, const Where&) {});
  }

  // A number, or a list of numbers, in a range.
  template <typename Struct, typename T>
  void add(std::string_view name, T Struct::*member, Range range, std::string help) {
    add_checked(name, member, range.text(), std::move(help),
                [range](const T& value, const Where& where) { range.check(value, where); });
  }

  // Text, or a list of texts, out of fixed names.
  template <typename Struct, typename T>
  void add(std::string_view name, T Struct::*member, std::vector<std::string> names,
           std::string help) {
    std::string range = core::join(names, ", ");
    add_checked(name, member, std::move(range), std::move(help),
                [names = std::move(names)](const T& value, const Where& where) {
                  check_choices(value, names, where);
                });
  }

  // A list of texts out of fixed names and others that `also` takes.
  template <typename Struct>
  void add(std::string_view name, std::vector<std::string> Struct::*member,
           std::vector<std::string> names, bool (*also)(std::string_view), std::string help) {
    std::string range = core::join(names, ", ");
    add_checked(name, member, std::move(range), std::move(help),
                [names = std::move(names), also](const std::vector<std::string>& values,
                                                 const Where& where) {
                  std::vector<std::string> known = names;
                  for (const std::string& value : values) {
                    if (also(value)) known.push_back(value);
                  }
                  check_choices(values, known, names, where);
                });
  }

  // An enumeration by name.
  template <typename Struct, typename Enum>
  requires std::is_enum_v<Enum>
  void add(std::string_view name, Enum Struct::*member, Choices<Enum> choices, std::string help) {
    std::vector<std::string> names;
    for (const auto& choice : choices) names.push_back(choice.first);
    Entry entry;
    entry.key = name_ + "." + std::string(name);
    entry.type = "choice";
    entry.range = core::join(names, ", ");
    entry.help = std::move(help);
    entry.set = [access = access_, member, choices, names](Config& config, const Value& value,
                                                           const Where& where) {
      std::string text;
      decode(value, where, text);
      check_choices(text, names, where);
      const auto index = std::find(names.begin(), names.end(), text) - names.begin();
      access(config).*member = choices[static_cast<std::size_t>(index)].second;
    };
    entry.get = [access = access_, member, choices](const Config& config) {
      for (const auto& [text, value] : choices) {
        if (value == access(config).*member) return Value::scalar(text);
      }
      return Value{};
    };
    schema_.add(std::move(entry));
  }

 private:
  template <typename Struct, typename T, typename Check>
  void add_checked(std::string_view name, T Struct::*member, std::string range, std::string help,
                   Check check) {
    Entry entry;
    entry.key = name_ + "." + std::string(name);
    entry.type = type_name<T>();
    entry.range = std::move(range);
    entry.help = std::move(help);
    entry.set = [access = access_, member, check = std::move(check)](
                    Config& config, const Value& value, const Where& where) {
      T decoded{};
      decode(value, where, decoded);
      check(decoded, where);
      access(config).*member = std::move(decoded);
    };
    entry.get = [access = access_, member](const Config& config) {
      return encode(access(config).*member);
    };
    schema_.add(std::move(entry));
  }

  Schema& schema_;
  std::string name_;
  Access access_;
};

}  // namespace unfold::cli
