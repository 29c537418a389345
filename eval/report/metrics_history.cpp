#include "eval/report/metrics_history.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string_view>

#include "core/error.h"
#include "core/file.h"

namespace unfold::eval {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kLogLimit = std::uint64_t{4} << 30;  // bytes
constexpr std::size_t kMaxVisibilities = 64;  // curves a person can still tell apart, and then some

// NaN for a field that is missing or no number: such a log still has a readable rest.
double number(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return std::numeric_limits<double>::quiet_NaN();
  return found->get<double>();
}

ValidationCurve& curve_of(MetricsHistory& history, const std::string& visibility) {
  for (ValidationCurve& curve : history.validations) {
    if (curve.visibility == visibility) return curve;
  }
  return history.validations.emplace_back(ValidationCurve{visibility, {}, {}, {}});
}

bool add_validation(const Json& losses, double step, MetricsHistory& history) {
  if (!losses.is_object()) return false;
  for (const auto& [visibility, loss] : losses.items()) {
    if (!loss.is_object()) return false;
    ValidationCurve& curve = curve_of(history, visibility);
    if (history.validations.size() > kMaxVisibilities) return false;
    curve.step.push_back(step);
    curve.loss.push_back(number(loss, "loss"));
    curve.bits_per_byte.push_back(number(loss, "bits_per_byte"));
  }
  return true;
}

void add_step(const Json& line, double step, MetricsHistory& history) {
  history.step.push_back(step);
  history.loss.push_back(number(line, "loss"));
  history.grad_norm.push_back(number(line, "grad_norm"));
  history.lr.push_back(number(line, "lr"));
  const auto tokens = line.find("tokens");
  if (tokens != line.end() && tokens->is_number_integer()) {
    history.tokens = std::max(history.tokens, tokens->get<std::int64_t>());
  }
  const auto time = line.find("time");
  const bool timed = time != line.end() && time->is_object();
  const double seconds = timed ? number(*time, "seconds") : 0.0;
  if (std::isfinite(seconds)) history.train_seconds += seconds;
  history.tokens_per_second.push_back(timed ? number(*time, "tokens_per_second")
                                            : std::numeric_limits<double>::quiet_NaN());
}

// Whether the line was understood.
bool add_line(std::string_view text, MetricsHistory& history) {
  const Json line = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!line.is_object()) return false;
  const auto step = line.find("step");
  if (step == line.end() || !step->is_number_integer()) return false;
  if (const auto losses = line.find("val"); losses != line.end()) {
    return add_validation(*losses, step->get<double>(), history);
  }
  add_step(line, step->get<double>(), history);
  return true;
}

void reorder(std::vector<double>& values, const std::vector<std::size_t>& order) {
  std::vector<double> sorted;
  sorted.reserve(values.size());
  for (const std::size_t index : order) sorted.push_back(values[index]);
  values = std::move(sorted);
}

// Logs are written in order; a hand-edited one may not be, and curves must run to the right.
void sort_by_step(std::vector<double>& step, std::initializer_list<std::vector<double>*> others) {
  if (std::is_sorted(step.begin(), step.end())) return;
  std::vector<std::size_t> order(step.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&step](std::size_t a, std::size_t b) { return step[a] < step[b]; });
  reorder(step, order);
  for (std::vector<double>* values : others) reorder(*values, order);
}

}  // namespace

MetricsHistory read_metrics(const std::filesystem::path& file) {
  MetricsHistory history;
  if (!std::filesystem::exists(file)) return history;
  const std::string contents = core::read_text_file(file, kLogLimit);
  std::string_view rest = contents;
  for (std::int64_t number = 1; !rest.empty(); ++number) {
    const std::size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    const bool last = end == std::string_view::npos || end + 1 == rest.size();
    core::require(add_line(line, history) || last, "report",
                  "{}:{}: not a line of a metrics log: repair or remove that line", file.string(),
                  number);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  sort_by_step(history.step,
               {&history.loss, &history.grad_norm, &history.lr, &history.tokens_per_second});
  for (ValidationCurve& curve : history.validations) {
    sort_by_step(curve.step, {&curve.loss, &curve.bits_per_byte});
  }
  return history;
}

}  // namespace unfold::eval
