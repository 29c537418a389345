// Origins: where each key of a config was set, so that a late error can still name file and line.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace unfold::cli {

class Origins {
 public:
  // source: the config file, named for keys that keep their default.
  explicit Origins(std::string source) : source_(std::move(source)) {}

  void set(std::string_view key, std::string place) {
    places_.insert_or_assign(std::string(key), std::move(place));
  }
  // "demo.yaml:12", "--set train.steps=3", or the source for a default.
  const std::string& of(std::string_view key) const {
    const auto at = places_.find(key);
    return at == places_.end() ? source_ : at->second;
  }
  bool is_set(std::string_view key) const { return places_.find(key) != places_.end(); }

 private:
  std::string source_;
  std::map<std::string, std::string, std::less<>> places_;
};

}  // namespace unfold::cli
