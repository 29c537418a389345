#include "eval/method.h"

#include <fmt/ranges.h>

#include "core/error.h"
#include "gsa/block_map.h"
#include "models/score.h"

namespace unfold::eval {
namespace {

const std::vector<Method>& methods() {
  static const std::vector<Method> kMethods = {
      {"full", false, gsa::Visibility::full},
      {"gist", true, gsa::Visibility::gist},
  };
  return kMethods;
}

void count_reads(const data::Batch& batch, const gsa::Reach& reach,
                 std::span<const std::int64_t> first_query, MethodScores& scores) {
  for (std::int64_t row = 0; row < batch.layout.rows; ++row) {
    const std::vector<gsa::DocumentSpan> documents = gsa::document_spans(batch.layout, row);
    const std::int64_t end = documents.empty() ? 0 : documents.back().end;
    const std::int64_t begin = first_query[static_cast<std::size_t>(row)];
    scores.keys_read += gsa::count_visible_pairs(reach, row, begin, end);
    scores.queries += end - begin;
  }
}

}  // namespace

std::vector<std::string> method_names() {
  std::vector<std::string> names;
  for (const Method& method : methods()) names.push_back(method.name);
  return names;
}

Method method_from_name(std::string_view name) {
  for (const Method& method : methods()) {
    if (method.name == name) return method;
  }
  core::fail("eval", "unknown method '{}': choose one of {}", name,
             fmt::join(method_names(), ", "));
}

MethodScores score(models::Decoder& decoder, const Method& method, const gsa::GistConfig& gist,
                   const data::Batch& batch, std::span<const std::int64_t> first_query,
                   bool want_best) {
  models::RowScores rows = models::score_rows(decoder, batch.layout, batch.tokens, batch.targets,
                                              gist, method.visibility, want_best);
  MethodScores scores;
  scores.loss = std::move(rows.loss);
  scores.best = std::move(rows.best);
  if (first_query.empty()) {
    scores.keys_read = rows.visible_pairs;
    scores.queries = rows.queries;
  } else {
    count_reads(batch, gsa::compute_reach(batch.layout, gist, method.visibility), first_query,
                scores);
  }
  return scores;
}

}  // namespace unfold::eval
