// Exit codes: every way the program can end.
//
//   0        done
//   2        the user can mend it: core::UserError, a wrong command line, not enough memory, a path
//            that the system refuses
//   70       a bug: core::InternalError and every other exception
//   75       another rank was lost: core::RankLost (core/comm/monitor.h)
//   128 + n  ended by signal n after saving: core::Interrupted
//
// Anything but 0 comes with exactly one line on standard error, of many ranks by one of them.
#pragma once

#include <functional>
#include <string>

namespace unfold::cli {

inline constexpr int kUserErrorCode = 2;
inline constexpr int kBugCode = 70;
inline constexpr int kSignalCode = 128;

// Runs the body and returns its result, or the exit code of the exception it threw.
int exit_code_of(const std::function<int()>& body);

// Writes the text as one line to standard error: line breaks inside become spaces.
void print_error(std::string text);

}  // namespace unfold::cli
