// The routing loss by the definition (METHOD.md section 13), for tests: plain loops in double,
// every score of a query in memory.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "gsa/attention_shape.h"
#include "gsa/layout.h"

namespace unfold::gsa {

// What the definition holds constant: p of every (query, key/value head, chunk), in the order in
// which the loss asks for it.
using RoutingTargets = std::vector<double>;

// The sum over queries, query heads and levels. select_from as in gsa/chunk_table.h. targets: taken
// when not empty, else filled.
inline double dense_routing_loss(const std::vector<double>& qkv, const AttentionShape& shape,
                                 const Layout& layout, const std::vector<std::int32_t>& select_from,
                                 RoutingTargets& targets) {
  const bool frozen = !targets.empty();
  std::size_t next = 0;
  const double scale = 1 / std::sqrt(static_cast<double>(shape.width));
  double loss = 0;
  std::size_t index = 0;
  for (std::int64_t row = 0; row < layout.rows; ++row) {
    const auto level = [&](std::int32_t t) {
      return int{layout.level[static_cast<std::size_t>(row * layout.length + t)]};
    };
    for (const DocumentSpan& document : document_spans(layout, row)) {
      std::int32_t from = select_from.empty() ? -1 : select_from[index];
      ++index;
      if (from < 0) {
        for (std::int32_t t = document.begin; t < document.end; ++t) {
          if (level(t) == layout.levels - 1) from = t + 1;
        }
        if (from < 0) continue;
      }
      // In a prompt with links (METHOD.md section 8) only documents are in chunks, and only links
      // and the suffix select.
      const auto part = [&](std::int32_t t) {
        return document.linked ? layout.part[static_cast<std::size_t>(row * layout.length + t)]
                               : Part::none;
      };
      if (document.linked) from = document.begin;
      for (std::int32_t q = from; q < document.end; ++q) {
        if (level(q) >= 0 || part(q) == Part::system || part(q) == Part::document) continue;
        std::int32_t behind = -1;  // the last top-level gist before q
        for (std::int32_t t = document.begin; t < q; ++t) {
          if (level(t) == layout.levels - 1) behind = t + 1;
        }
        if (behind < 0) continue;
        for (std::int64_t kv_head = 0; kv_head < shape.kv_heads; ++kv_head) {
          const auto score = [&](std::int64_t head, std::int32_t k) {
            const std::int64_t query = (row * layout.length + q) * shape.qkv_width();
            const std::int64_t key = (row * layout.length + k) * shape.qkv_width();
            double sum = 0;
            for (std::int64_t d = 0; d < shape.width; ++d) {
              sum += qkv[static_cast<std::size_t>(query + head * shape.width + d)] *
                     qkv[static_cast<std::size_t>(key + (shape.heads + kv_head) * shape.width + d)];
            }
            return sum * scale;
          };
          std::vector<double> p;  // a chunk
          std::size_t chunk = 0;
          for (std::int32_t t = document.begin; t < behind; ++t) {
            if (level(t) == 0) p.push_back(0);
          }
          const std::int64_t first_head = kv_head * shape.group();
          if (frozen) {
            for (double& value : p) value = targets[next++];
          } else {
            for (std::int64_t h = first_head; h < first_head + shape.group(); ++h) {
              double total = 0;
              for (std::int32_t k = document.begin; k <= q; ++k) {
                if (level(k) < 0) total += std::exp(score(h, k));
              }
              chunk = 0;
              for (std::int32_t k = document.begin; k < behind; ++k) {
                if (level(k) == 0) ++chunk;
                const bool in_chunk = part(k) == Part::none || part(k) == Part::document;
                if (level(k) < 0 && in_chunk) {
                  p[chunk] += std::exp(score(h, k)) / total / static_cast<double>(shape.group());
                }
              }
            }
            targets.insert(targets.end(), p.begin(), p.end());
          }
          double mass = 0;
          for (const double value : p) mass += value;
          for (int l = 0; l < layout.levels; ++l) {
            // p of what every level-l gist covers, by the gists in between.
            std::vector<double> target;
            std::vector<std::int32_t> gist;
            double covered = 0;
            chunk = 0;
            for (std::int32_t t = document.begin; t < behind; ++t) {
              if (level(t) == 0) covered += p[chunk++];
              if (level(t) != l) continue;
              target.push_back(covered / mass);
              gist.push_back(t);
              covered = 0;
            }
            for (std::int64_t h = first_head; h < first_head + shape.group(); ++h) {
              double total = 0;
              for (const std::int32_t k : gist) total += std::exp(score(h, k));
              for (std::size_t j = 0; j < gist.size(); ++j) {
                loss -= mass * target[j] * (score(h, gist[j]) - std::log(total));
              }
            }
          }
        }
      }
    }
  }
  return loss;
}

}  // namespace unfold::gsa
