#include "tests/gsa/random_layout.h"

#include <random>
#include <vector>

namespace unfold::gsa {
namespace {

struct Token {
  std::int8_t level = -1;
  Part part = Part::none;
};

class Generator {
 public:
  Generator(std::uint64_t seed, const RandomLayoutOptions& options)
      : random_(seed), options_(options) {}

  std::int64_t pick(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random_);
  }

  // Levels of one document.
  std::vector<std::int8_t> document() {
    levels_.clear();
    const bool has_gists = options_.levels > 0 && pick(0, 7) > 0;
    if (has_gists) {
      for (std::int64_t segments = pick(1, options_.max_segments); segments > 0; --segments) {
        segment();
        if (pick(0, 3) == 0) raw(pick(1, options_.max_chunk));
      }
      raw(pick(0, options_.max_suffix));
    } else {
      raw(pick(1, options_.max_chunk * options_.max_chunks));
    }
    return levels_;
  }

  // A prompt with links, or sometimes a document without.
  std::vector<Token> prompt() {
    std::vector<Token> tokens;
    const auto append = [&](Part part) {
      for (const std::int8_t level : levels_) tokens.push_back({level, part});
      levels_.clear();
    };
    levels_.clear();
    if (pick(0, 7) == 0) {
      document();
      append(Part::none);
      return tokens;
    }
    raw(pick(0, 1) * pick(0, 4));
    append(Part::system);
    for (std::int64_t documents = pick(0, 3); documents > 0; --documents) {
      for (std::int64_t segments = pick(1, 2); segments > 0; --segments) segment();
      append(Part::document);
      raw(pick(1, 3));
      append(Part::link);
    }
    raw(pick(1, 1 + options_.max_suffix));
    append(Part::suffix);
    return tokens;
  }

 private:
  void raw(std::int64_t count) {
    levels_.insert(levels_.end(), static_cast<std::size_t>(count), -1);
  }

  // Chunks, each with a gist behind it and higher gists behind some; the last one closes all
  // levels.
  void segment() {
    std::vector<std::int64_t> open(static_cast<std::size_t>(options_.levels), 0);
    for (std::int64_t chunks = pick(1, options_.max_chunks); chunks > 0; --chunks) {
      raw(pick(1, options_.max_chunk));
      for (std::size_t l = 0; l < open.size(); ++l) {
        levels_.push_back(static_cast<std::int8_t>(l));
        const bool full = ++open[l] >= pick(1, options_.max_group);
        if (!full && chunks > 1) break;
        open[l] = 0;
      }
    }
  }

  std::mt19937_64 random_;
  RandomLayoutOptions options_;
  std::vector<std::int8_t> levels_;
};

}  // namespace

Layout random_layout(std::uint64_t seed, const RandomLayoutOptions& options) {
  Generator generator(seed, options);
  const auto size = static_cast<std::size_t>(options.rows * options.length);
  std::vector<std::int8_t> level(size, -1);
  std::vector<std::int32_t> document(size, -1);
  std::vector<Part> part;
  if (options.links) part.assign(size, Part::none);
  for (std::int64_t row = 0; row < options.rows; ++row) {
    const bool padded = options.padding && generator.pick(0, 1) == 0;
    const std::int64_t used = padded ? generator.pick(0, options.length) : options.length;
    std::int32_t index = 0;
    for (std::int64_t t = 0; t < used; ++index) {
      if (options.links) {
        std::vector<Token> tokens = generator.prompt();
        if (t + static_cast<std::int64_t>(tokens.size()) > used) {
          tokens.assign(static_cast<std::size_t>(used - t), Token{});
        }
        for (const Token& token : tokens) {
          const auto i = static_cast<std::size_t>(row * options.length + t++);
          level[i] = token.level;
          document[i] = index;
          part[i] = token.part;
        }
        continue;
      }
      std::vector<std::int8_t> tokens = generator.document();
      while (!options.documents && t + static_cast<std::int64_t>(tokens.size()) < used) {
        const std::vector<std::int8_t> more = generator.document();
        tokens.insert(tokens.end(), more.begin(), more.end());
      }
      for (const std::int8_t token : tokens) {
        if (t == used) break;
        level[static_cast<std::size_t>(row * options.length + t)] = token;
        document[static_cast<std::size_t>(row * options.length + t)] = index;
        ++t;
      }
    }
  }
  return make_layout(options.rows, options.length, options.levels, level, document, part);
}

GistConfig random_gist_config(std::uint64_t seed, const RandomLayoutOptions& options) {
  Generator generator(seed ^ 0x9e3779b97f4a7c15u, options);
  GistConfig config;
  config.chunks.assign(static_cast<std::size_t>(options.levels), 2);
  config.sinks = generator.pick(0, options.max_sinks);
  config.previous_chunks = generator.pick(0, options.max_previous);
  return config;
}

}  // namespace unfold::gsa
