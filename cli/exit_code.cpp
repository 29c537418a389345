#include "cli/exit_code.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <new>

#include "cli/ranks.h"
#include "core/error.h"

namespace unfold::cli {

int exit_code_of(const std::function<int()>& body) {
  try {
    return body();
  } catch (const core::UserError& error) {
    print_error(error.what());
    return kUserErrorCode;
  } catch (const core::Interrupted& error) {
    print_error(error.what());
    return kSignalCode + error.signal();
  } catch (const SaidElsewhere& ended) {
    return ended.code();
  } catch (const std::bad_alloc&) {
    print_error("[memory] not enough memory: ask for less: smaller models, rows, texts or files");
    return kUserErrorCode;
  } catch (const std::filesystem::filesystem_error& error) {
    print_error(fmt::format("[file] {}: {}: check the path, its permissions and the disk",
                            error.path1().string(), error.code().message()));
    return kUserErrorCode;
  } catch (const std::exception& error) {
    print_error(fmt::format("{}: this is a bug in unfold, please report it", error.what()));
    return kBugCode;
  } catch (...) {
    print_error("an exception of unknown type: this is a bug in unfold, please report it");
    return kBugCode;
  }
}

void print_error(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  text += '\n';
  std::fwrite(text.data(), 1, text.size(), stderr);  // may fail: then the exit code has to say it
}

}  // namespace unfold::cli
