// Where jieba's files are looked for.
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>

#include "core/error.h"
#include "eval/metrics/chinese_words.h"

// Folders separated by colons; CMakeLists.txt has the default.
#ifndef UNFOLD_JIEBA_PLACES
#define UNFOLD_JIEBA_PLACES ""
#endif

namespace unfold::eval {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTag = "jieba";
constexpr std::string_view kPlaces = UNFOLD_JIEBA_PLACES;

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

bool holds_jieba(const fs::path& folder) {
  return is_file(folder / "dict.txt") && is_file(folder / "finalseg" / "prob_emit.py");
}

bool holds_cppjieba(const fs::path& folder) {
  return is_file(folder / "jieba.dict.utf8") && is_file(folder / "hmm_model.utf8");
}

fs::path find_folder(fs::path folder) {
  if (folder.empty()) {
    if (const char* named = std::getenv("UNFOLD_JIEBA"); named != nullptr) folder = named;
  }
  if (!folder.empty()) {
    core::require(holds_jieba(folder) || holds_cppjieba(folder), kTag,
                  "{}: holds neither dict.txt and finalseg/prob_emit.py nor jieba.dict.utf8 and "
                  "hmm_model.utf8: give the folder of the Python package jieba",
                  folder.string());
    return folder;
  }
  for (std::string_view rest = kPlaces; !rest.empty();) {
    const std::size_t end = rest.find(':');
    const fs::path place = rest.substr(0, end);
    if (holds_jieba(place) || holds_cppjieba(place)) return place;
    rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
  }
  core::fail(kTag,
             "no dictionary of Chinese words in {}: install python3-jieba, or name the folder of "
             "the Python package jieba with --jieba, eval.jieba or UNFOLD_JIEBA",
             kPlaces.empty() ? std::string_view("the usual places") : kPlaces);
}

}  // namespace

std::shared_ptr<const ChineseWords> load_chinese_words(const fs::path& folder) {
  static std::mutex mutex;
  static std::map<fs::path, std::weak_ptr<const ChineseWords>> loaded;
  const fs::path found = find_folder(folder);
  const std::lock_guard lock(mutex);
  auto words = loaded[found].lock();
  if (!words) {
    words =
        holds_jieba(found)
            ? std::make_shared<const ChineseWords>(read_word_tree(found / "dict.txt"),
                                                   read_jieba_tables(found / "finalseg"))
            : std::make_shared<const ChineseWords>(read_word_tree(found / "jieba.dict.utf8"),
                                                   read_cppjieba_tables(found / "hmm_model.utf8"));
    loaded[found] = words;
  }
  return words;
}

}  // namespace unfold::eval
