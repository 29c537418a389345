// unfold inspect logits RUN: what a model computes for given tokens, to be compared with others.
#include "cli/commands/inspect_logits.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "autograd/variable.h"
#include "cli/command.h"
#include "core/error.h"
#include "core/file.h"
#include "eval/loaded_run.h"
#include "gsa/block_map.h"
#include "gsa/layout.h"
#include "models/attention_context.h"

namespace unfold::cli {
namespace {

constexpr std::string_view kTag = "inspect";
constexpr std::int64_t kMostTokens = std::int64_t{1} << 17;
constexpr std::int64_t kRowsAtOnce = 128;  // of logits in memory
constexpr std::int64_t kLogitsShown = 16;

struct LogitsArguments {
  std::string run;
  std::string ids_file;
  std::string checkpoint = "last";
  std::string format = "json";
  std::string device = "cpu";
  std::int64_t top = 5;
  std::vector<std::int64_t> positions;
};

std::vector<std::int32_t> read_ids(const std::string& file, std::int64_t vocabulary) {
  const std::string text = core::read_text_file(file);
  std::vector<std::int32_t> ids;
  const char* at = text.data();
  const char* end = at + text.size();
  const auto is_blank = [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; };
  for (;;) {
    at = std::find_if_not(at, end, is_blank);
    if (at == end) break;
    const char* stop = std::find_if(at, end, is_blank);
    std::int32_t id = -1;
    const auto [rest, status] = std::from_chars(at, stop, id);
    core::require(status == std::errc() && rest == stop && id >= 0 && id < vocabulary, kTag,
                  "{}: entry {} is no token id below {}", file, ids.size(), vocabulary);
    ids.push_back(id);
    at = stop;
  }
  core::require(!ids.empty() && static_cast<std::int64_t>(ids.size()) <= kMostTokens, kTag,
                "{}: {} ids: give 1 to {}, separated by spaces", file, ids.size(), kMostTokens);
  return ids;
}

nlohmann::json row_of(std::int64_t position, const float* logits, std::int64_t vocabulary,
                      std::int64_t top) {
  std::vector<std::int32_t> order(static_cast<std::size_t>(vocabulary));
  std::iota(order.begin(), order.end(), 0);
  const auto shown = static_cast<std::ptrdiff_t>(std::min(top, vocabulary));
  std::partial_sort(order.begin(), order.begin() + shown, order.end(),
                    [&](std::int32_t a, std::int32_t b) {
                      return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
                    });
  order.resize(static_cast<std::size_t>(shown));
  std::vector<float> top_logits;
  for (const std::int32_t id : order) top_logits.push_back(logits[id]);
  return {{"position", position},
          {"top_ids", order},
          {"top_logits", top_logits},
          {"logits", std::vector<float>(logits, logits + std::min(vocabulary, kLogitsShown))}};
}

double log_sum_exp(const float* logits, std::int64_t count) {
  const float most = *std::max_element(logits, logits + count);
  double sum = 0;
  for (std::int64_t i = 0; i < count; ++i) sum += std::exp(static_cast<double>(logits[i] - most));
  return static_cast<double>(most) + std::log(sum);
}

void inspect_logits(const LogitsArguments& arguments) {
  core::require(arguments.top >= 1 && arguments.top <= 1000, kTag, "--top {}: choose 1 to 1000",
                arguments.top);
  const core::Device device = core::usable_device(arguments.device);
  eval::LoadedRun run =
      eval::load_run(arguments.run, arguments.checkpoint, core::DType::float32, device);
  const std::int64_t vocabulary = run.description.decoder.vocab_size;
  const std::vector<std::int32_t> ids = read_ids(arguments.ids_file, vocabulary);
  const auto count = static_cast<std::int64_t>(ids.size());
  std::vector<std::int64_t> wanted = arguments.positions;
  if (wanted.empty()) wanted = {count - 1};
  for (const std::int64_t position : wanted) {
    core::require(position >= 0 && position < count, kTag,
                  "--positions: {} is none of the {} tokens in {}", position, count,
                  arguments.ids_file);
  }

  const autograd::NoGrad no_grad;
  const auto layout = gsa::make_layout(1, count, 0, std::vector<std::int8_t>(ids.size(), -1),
                                       std::vector<std::int32_t>(ids.size(), 0));
  gsa::GistConfig plain;
  plain.chunks.clear();
  models::BlockAttention attention(std::make_shared<const gsa::BlockMap>(
      gsa::make_block_map(layout, plain, gsa::Visibility::causal)));
  const auto tokens = core::Tensor::from(ids, {count}, device);
  const auto positions = core::Tensor::from(layout.rope, {count}, device);
  const core::Tensor hidden = run.decoder.hidden(tokens, positions, attention).value();
  std::vector<nlohmann::json> rows(wanted.size());
  double loss = 0;
  for (std::int64_t begin = 0; begin < count; begin += kRowsAtOnce) {
    const std::int64_t end = std::min(begin + kRowsAtOnce, count);
    const std::vector<float> logits =
        run.decoder.logits(hidden.slice(0, begin, end)).to_vector<float>();
    for (std::int64_t position = begin; position < end; ++position) {
      const float* row = logits.data() + (position - begin) * vocabulary;
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        if (wanted[i] == position) rows[i] = row_of(position, row, vocabulary, arguments.top);
      }
      if (position + 1 == count) continue;
      loss += log_sum_exp(row, vocabulary) -
              static_cast<double>(row[ids[static_cast<std::size_t>(position + 1)]]);
    }
  }
  nlohmann::ordered_json result;
  result["nll"] = nullptr;  // of one token there is none
  if (count > 1) result["nll"] = loss / static_cast<double>(count - 1);
  result["rows"] = rows;
  print(result.dump() + "\n");
}

}  // namespace

void add_inspect_logits(Command inspect) {
  Command command = inspect.add_subcommand(
      "logits", "Print the logits of a run for given token ids: float32, plain causal attention");
  const auto arguments = std::make_shared<LogitsArguments>();
  command.add_option("RUN", arguments->run, "folder of the run (run.dir of its config)").required();
  command.add_option("--ids", arguments->ids_file, "token ids, separated by spaces")
      .required()
      .type_name("FILE");
  command.add_option("--top", arguments->top, "how many of the largest logits")
      .type_name("N")
      .capture_default_str();
  command
      .add_option("--positions", arguments->positions,
                  "positions to show, from 0; default: the last")
      .delimiter(',')
      .one_value()
      .type_name("P[,P...]");
  command
      .add_option("--checkpoint", arguments->checkpoint,
                  "last, best (lowest validation loss), or a step")
      .type_name("last|best|STEP")
      .capture_default_str();
  command.add_option("--device", arguments->device, "cpu, cuda or cuda:N")
      .type_name("DEVICE")
      .capture_default_str();
  command.add_choice("--format", arguments->format, {"json"}, "how to write them");
  command.footer(
      "nll is the mean over all next tokens; logits are the first 16 of a position.\n"
      "Example:\n  unfold inspect logits runs/smol --ids ids.txt --positions 0,10,99");
  command.callback([arguments] { inspect_logits(*arguments); });
}

}  // namespace unfold::cli
