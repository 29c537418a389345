#include "train/metrics_log.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "core/error.h"
#include "core/log.h"

namespace unfold::train {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kLogLimit = std::uint64_t{4} << 30;  // bytes; about ten million steps

// nlohmann prints the shortest digits that read back to the same double, and null for NaN and inf.
std::string to_line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

// The step of a line of this log; nothing when the line is not one.
std::optional<std::int64_t> step_of(std::string_view line) {
  const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return std::nullopt;
  const auto step = json.find("step");
  if (step == json.end() || !step->is_number_integer()) return std::nullopt;
  return step->get<std::int64_t>();
}

// The log without the lines of steps after `last` and without a torn last line.
std::string truncated(std::string_view text, std::int64_t last, const std::string& name) {
  std::string kept;
  kept.reserve(text.size());
  for (std::int64_t number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const std::optional<std::int64_t> step = step_of(line);
    if (!step) {
      core::require(text.empty(), "metrics",
                    "{}:{}: not a line of this log: repair or remove that line", name, number);
      continue;
    }
    if (*step <= last) kept.append(line).push_back('\n');
  }
  return kept;
}

}  // namespace

MetricsLog MetricsLog::create(const std::filesystem::path& file) {
  return MetricsLog(core::AppendFile(file, core::AppendFile::Mode::create));
}

MetricsLog MetricsLog::resume(const std::filesystem::path& file, std::int64_t step) {
  if (!std::filesystem::exists(file)) {
    core::log::warning("[metrics] {}: missing: the log starts anew after step {}", file.string(),
                       step);
    return create(file);
  }
  const std::string before = core::read_text_file(file, kLogLimit);
  const std::string after = truncated(before, step, file.string());
  if (after != before) core::write_file_atomically(file, after);
  return MetricsLog(core::AppendFile(file, core::AppendFile::Mode::extend));
}

void MetricsLog::write(const StepRecord& record) {
  Json line = {{"step", record.step},
               {"loss", record.loss},
               {"grad_norm", record.grad_norm},
               {"lr", record.lr},
               {"tokens", record.tokens}};
  for (const auto& [name, value] : record.more) {
    core::check(!line.contains(name) && name != "time" && name != "val", "metrics",
                "the extra number '{}' would overwrite a field of the log", name);
    line[name] = value;
  }
  line["time"] = {{"seconds", record.time.seconds},
                  {"tokens_per_second", record.time.tokens_per_second},
                  {"elapsed", record.time.elapsed},
                  {"eta", record.time.eta}};
  if (record.time.mfu > 0) line["time"]["mfu"] = record.time.mfu;
  file_.append(to_line(line));
}

void MetricsLog::write(const ValidationRecord& record) {
  Json losses = Json::object();
  for (const ValidationLoss& loss : record.losses) {
    losses[loss.visibility] = {
        {"loss", loss.loss}, {"bits_per_byte", loss.bits_per_byte}, {"tokens", loss.tokens}};
  }
  file_.append(
      to_line({{"step", record.step}, {"val", losses}, {"time", {{"seconds", record.seconds}}}}));
}

}  // namespace unfold::train
