#include "eval/method.h"

#include <fmt/core.h>

#include "core/error.h"
#include "core/text_format.h"
#include "gsa/block_map.h"
#include "models/score.h"

namespace unfold::eval {
namespace {

std::optional<gsa::Visibility> visibility_of(gsa::PolicyKind kind) {
  if (kind == gsa::PolicyKind::full) return gsa::Visibility::full;
  if (kind == gsa::PolicyKind::gist_only) return gsa::Visibility::gist;
  return std::nullopt;
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
  return gsa::policy_names();
}

Method method_from_name(std::string_view name, double ratio,
                        const gsa::SelectionConfig& selection) {
  const std::optional<gsa::PolicyKind> kind = gsa::policy_from_name(name);
  if (!kind) {
    core::fail("eval", "unknown method '{}': choose one of {}", name,
               core::join(method_names(), ", "));
  }
  Method method;
  method.name = name;
  method.gists = gsa::reads_gists(*kind);
  method.policy.kind = *kind;
  method.visibility = visibility_of(*kind);
  if (method.visibility) return method;  // what is read does not depend on a budget
  method.policy.ratio = ratio;
  method.policy.selection = selection;
  if (method.gists) method.policy.first_layer = selection.first_layer;
  return method;
}

MethodScores score(models::Decoder& decoder, const Method& method, const gsa::GistConfig& gist,
                   const data::Batch& batch, std::span<const std::int64_t> first_query) {
  core::check(method.visibility.has_value(), "eval", "method {} is no mask over rows", method.name);
  models::RowScores rows = models::score_rows(decoder, batch.layout, batch.tokens, batch.targets,
                                              gist, *method.visibility);
  MethodScores scores;
  scores.loss = std::move(rows.loss);
  if (first_query.empty()) {
    scores.keys_read = rows.visible_pairs;
    scores.queries = rows.queries;
  } else {
    count_reads(batch, gsa::compute_reach(batch.layout, gist, *method.visibility), first_query,
                scores);
  }
  return scores;
}

}  // namespace unfold::eval
