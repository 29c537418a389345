// Long-context probes (eval/probes/probe.h) as tasks: "probe.needle", "probe.passkey", ...
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "data/chat_template.h"
#include "eval/probes/probe.h"
#include "eval/tasks/generation_task.h"

namespace unfold::eval {

// What the names of all of them begin with, before a full stop.
inline constexpr std::string_view kProbe = "probe";

// Samples are eval.probes.samples of every depth and length (eval.probes.depths, .lengths); kinds
// that have no depth get as many. Greedy answers; metric "accuracy" for passkey (the first integer
// is the key), "string_match" for the others (share of the answers that occur).
//
// The prompt is instruction and text, which gists compress, then, raw,
//
//     \nQuestion: What is ...?\nAnswer: The ... is
//
// or with eval.probes.chat the question at the end of the user's turn of the run's chat template,
// and the beginning of the answer in the assistant's. Of qa the instruction and every document are
// segments of their own, and with gist.links documents with links.
//
// Rows (interval: bootstrap over samples; passkey: Wilson): over all samples, named as the task;
// and where there are several lengths, for each of them, named with it, as "probe.needle.4096".
// Tags of predictions: "context" (tokens asked for), "depth", for qa also "gold" and "documents".
class ProbeTask : public GenerationTask {
 public:
  // name: "probe.needle", ... Throws core::UserError for another one, for lengths that are too
  // short or that the model has not the positions for (eval.max_length), and without a chat
  // template where one is asked for.
  ProbeTask(std::string name, const LoadedRun& run, const EvalSettings& settings);

  std::int64_t samples() const override;
  std::int64_t size(std::int64_t i) const override;
  std::string settings() const override;
  GenerationSample sample(std::int64_t i) const override;
  std::vector<SampleScore> score(const GenerationSample& sample,
                                 const std::string& pred) const override;
  std::vector<ResultRow> rows(std::span<const Prediction> predictions) const override;

 private:
  std::int64_t samples_of_length() const;
  std::int64_t length(std::int64_t i) const;
  std::vector<data::TokenId> encode(const std::string& text) const;

  ProbeKind kind_;
  ProbesConfig config_;
  std::optional<data::ChatTemplate> chat_;
};

// Names of all of them.
std::vector<std::string> probe_tasks();

}  // namespace unfold::eval
