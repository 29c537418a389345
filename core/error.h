// Errors as part of the product: every failure is one of three kinds, and each kind is one exit
// code.
//
//   UserError      the user can mend it (bad config, missing file, full disk)   exit code 2
//   InternalError  a bug in Unfold (shape mismatch inside, broken invariant)    exit code 70
//   Interrupted    a signal asked us to stop; work was saved                    exit code 130 or
//   143
//
// A message says what is wrong, where, and what to do, on one line: "[shard] books.h5: truncated at
// byte 4096: tokenize the text again". The tag in brackets names the part that speaks.
#pragma once

#include <fmt/core.h>

#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace unfold::core {

// Base of all errors thrown by Unfold. what() is "[tag] message".
class Error : public std::runtime_error {
 public:
  Error(std::string_view tag, std::string_view message)
      : std::runtime_error(fmt::format("[{}] {}", tag, message)) {}
};

class UserError : public Error {
 public:
  using Error::Error;
};

class InternalError : public Error {
 public:
  InternalError(std::string_view tag, std::string_view message,
                const std::source_location& where = std::source_location::current())
      : Error(tag, fmt::format("{} ({}:{})", message, where.file_name(), where.line())) {}
};

// Thrown once, after saving what can be saved, when SIGINT or SIGTERM asked the program to stop.
class Interrupted : public Error {
 public:
  explicit Interrupted(int signal, std::string_view saved = " after saving")
      : Error("signal", fmt::format("stopped by signal {}{}", signal, saved)), signal_(signal) {}
  int signal() const { return signal_; }

 private:
  int signal_;
};

// A format string that remembers where it was written, so that check() can name the line.
template <typename... Args>
struct LocatedFormat {
  template <typename String>
  FMT_CONSTEVAL LocatedFormat(const String& text,
                              std::source_location at = std::source_location::current())
      : format(text), where(at) {}
  fmt::format_string<Args...> format;
  std::source_location where;
};

// check: an invariant of the program. Failing is a bug: throws InternalError with the location.
//   core::check(k.dim(2) == v.dim(2), "attention", "key has {} heads, value {}", k.dim(2),
//   v.dim(2));
template <typename... Args>
void check(bool condition, std::string_view tag,
           LocatedFormat<std::type_identity_t<Args>...> message, Args&&... args) {
  if (condition) return;
  throw InternalError(tag, fmt::format(message.format, std::forward<Args>(args)...), message.where);
}

// require: a condition on the user's input. Failing throws UserError.
template <typename... Args>
void require(bool condition, std::string_view tag, fmt::format_string<Args...> message,
             Args&&... args) {
  if (condition) return;
  throw UserError(tag, fmt::format(message, std::forward<Args>(args)...));
}

// Throws UserError unconditionally; for the end of a search that found nothing.
template <typename... Args>
[[noreturn]] void fail(std::string_view tag, fmt::format_string<Args...> message, Args&&... args) {
  throw UserError(tag, fmt::format(message, std::forward<Args>(args)...));
}

}  // namespace unfold::core
