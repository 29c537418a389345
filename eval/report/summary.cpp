#include "eval/report/summary.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <tuple>

#include "core/text_format.h"
#include "eval/report/curves.h"
#include "eval/report/family_curves.h"
#include "eval/report/metric_style.h"

namespace unfold::eval {
namespace {

std::optional<double> first_finite(const std::vector<double>& values) {
  for (const double value : values) {
    if (std::isfinite(value)) return value;
  }
  return std::nullopt;
}

std::optional<double> last_finite(const std::vector<double>& values) {
  for (std::size_t i = values.size(); i-- > 0;) {
    if (std::isfinite(values[i])) return values[i];
  }
  return std::nullopt;
}

std::optional<double> median(std::vector<double> values) {
  std::erase_if(values, [](double value) { return !std::isfinite(value); });
  if (values.empty()) return std::nullopt;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

std::optional<double> final_bits(const RunRecord& record, const std::string& visibility) {
  for (const ValidationCurve& curve : record.history.validations) {
    if (curve.visibility == visibility) return last_finite(curve.bits_per_byte);
  }
  return std::nullopt;
}

// Mean keys a query reads under a method at its lowest ratio, over its tasks.
std::optional<double> attended_keys(const RunRecord& record, const std::string& method) {
  if (!record.results) return std::nullopt;
  double lowest = INFINITY;
  double sum = 0;
  int count = 0;
  for (const ResultRow& row : record.results->rows) {
    if (row.method != method || !(row.attended > 0) || !std::isfinite(row.attended)) continue;
    if (row.ratio > lowest) continue;
    if (row.ratio < lowest) {
      lowest = row.ratio;
      sum = 0;
      count = 0;
    }
    sum += row.attended;
    ++count;
  }
  if (count == 0) return std::nullopt;
  return sum / count;
}

// How the run reads long contexts cheaply, the best it was evaluated or validated under: unfolding
// where there is a figure for it, else gists alone.
struct CheapMethod {
  std::string name;
  std::string phrase;  // "with PHRASE"
  std::string label;   // of a key figure
  double value = 0;
};

template <typename Value>
std::optional<CheapMethod> cheap_method(Value&& value_of) {
  for (const auto& [name, phrase, label] :
       {std::tuple{"gsa", "unfolding", "unfolding"}, std::tuple{"h_gsa", "unfolding", "unfolding"},
        std::tuple{"gist_only", "gist attention", "gist"}}) {
    const std::optional<double> value = value_of(name);
    if (value) return CheapMethod{name, phrase, label, *value};
  }
  return std::nullopt;
}

std::optional<CheapMethod> cheap_bits(const RunRecord& record) {
  return cheap_method([&](const char* name) { return final_bits(record, name); });
}

std::optional<CheapMethod> cheap_keys(const RunRecord& record) {
  return cheap_method([&](const char* name) { return attended_keys(record, name); });
}

// The loss at the end of training: the end of the trend that the plot shows, since a single step
// says little; how many steps it averages.
struct FinalLoss {
  double value = 0;
  std::size_t steps = 1;
};

std::optional<FinalLoss> final_loss(const MetricsHistory& history) {
  const std::size_t half = trend_half_window(history.loss.size());
  const auto value = last_finite(smooth({history.step, history.loss}, half).y);
  if (!value) return std::nullopt;
  return FinalLoss{*value, half + 1};
}

std::int64_t last_step(const RunRecord& record) {
  return record.history.step.empty() ? 0 : static_cast<std::int64_t>(record.history.step.back());
}

std::string plural(double count, const char* noun, const std::string& shown) {
  return fmt::format("{} {}{}", shown, noun, count == 1 ? "" : "s");
}

std::string model_phrase(const RunRecord& record) {
  const ConfigFacts& facts = record.facts;
  std::string phrase = "A ";
  if (record.results && record.results->parameters > 0) {
    phrase += core::format_count(static_cast<double>(record.results->parameters)) + "-parameter ";
  }
  phrase += facts.architecture ? *facts.architecture + " decoder" : std::string("decoder");
  if (facts.layers && facts.width) {
    phrase += fmt::format(" ({} layers, width {})", *facts.layers, *facts.width);
  }
  return phrase;
}

std::string objective_phrase(const ConfigFacts& facts) {
  if (!facts.objective) return "";
  if (*facts.objective == "cpt") return " under the gist mask";
  if (*facts.objective == "lm") return " with full attention";
  if (*facts.objective == "sft") return " to unfold (selective finetuning)";
  return " with objective " + *facts.objective;
}

std::string chunk_phrase(const ConfigFacts& facts) {
  if (!facts.chunks) return "";
  if (facts.chunks->empty()) return ", without gist tokens";
  double ratio = 1;
  for (const std::int64_t chunk : *facts.chunks) ratio *= static_cast<double>(chunk);
  if (facts.chunks->size() == 1) {
    return fmt::format(", one gist token for {} tokens of text", facts.chunks->front());
  }
  return fmt::format(", {} gist levels ({}), nominal ratio {}", facts.chunks->size(),
                     core::join(*facts.chunks, " x "), format_ratio(ratio));
}

std::string training_sentence(const RunRecord& record) {
  const MetricsHistory& history = record.history;
  if (history.step.empty()) return model_phrase(record) + "; no training step is on record. ";
  const auto steps = static_cast<double>(last_step(record));
  std::string sentence = model_phrase(record) + ", trained";
  sentence += objective_phrase(record.facts) + chunk_phrase(record.facts);
  sentence += fmt::format(", for {}", plural(steps, "step", fmt::format("{}", last_step(record))));
  if (record.facts.steps && *record.facts.steps > last_step(record)) {
    sentence += fmt::format(" of {} planned", *record.facts.steps);
  }
  if (history.tokens > 0) {
    const auto tokens = static_cast<double>(history.tokens);
    sentence += fmt::format(" and {}", plural(tokens, "token", core::format_count(tokens)));
  }
  return sentence + ". ";
}

// ", 3.1% more"; nothing where a percentage says little.
std::string change_phrase(double from, double to) {
  const double change = (to / from - 1) * 100;
  if (!(std::abs(change) <= 100)) return "";
  return fmt::format(", {:.1f}% {}", std::abs(change), change < 0 ? "less" : "more");
}

std::string loss_sentence(const RunRecord& record) {
  const auto first = first_finite(record.history.loss);
  const auto last = final_loss(record.history);
  std::string text;
  if (first && last && record.history.step.size() > 1) {
    text += fmt::format("Training loss went from {} to {} nats per token. ", format_number(*first),
                        format_number(last->value));
  }
  const auto full = final_bits(record, "full");
  const auto cheap = cheap_bits(record);
  if (full && cheap) {
    text += fmt::format("On held-out text the model needs {} bits per byte with full attention",
                        format_number(*full));
    const auto gist = final_bits(record, "gist_only");
    if (cheap->name != "gist_only" && gist) {
      text += fmt::format(", {} with gists alone", format_number(*gist));
    }
    text += fmt::format(" and {} with {}{}. ", format_number(cheap->value), cheap->phrase,
                        change_phrase(*full, cheap->value));
  } else if (full || cheap) {
    text += fmt::format("On held-out text the model needs {} bits per byte with {}. ",
                        format_number(full ? *full : cheap->value),
                        full ? "full attention" : cheap->phrase);
  }
  return text;
}

std::string evaluation_sentence(const RunRecord& record) {
  if (!record.results) return "The run has not been evaluated yet.";
  std::string text =
      record.results->step > 0
          ? fmt::format("The checkpoint of step {} was evaluated", record.results->step)
          : std::string("The model was evaluated");
  const auto full = attended_keys(record, "full");
  const auto cheap = cheap_keys(record);
  if (!full || !cheap) return text + ".";
  return text + fmt::format(
                    ": a query reads {} keys with {} and {} with full attention, "
                    "{:.1f} times fewer.",
                    format_keys(cheap->value), cheap->phrase, format_keys(*full),
                    *full / cheap->value);
}

void add_bits(const RunRecord& record, std::vector<KeyFigure>& figures) {
  const auto cheap = cheap_bits(record);
  const auto full = final_bits(record, "full");
  if (cheap) {
    figures.push_back(
        {"Bits per byte, " + cheap->label, format_number(cheap->value),
         full ? fmt::format("full attention {}", format_number(*full)) : "held-out text"});
  } else if (full) {
    figures.push_back({"Bits per byte, full", format_number(*full), "held-out text"});
  }
}

void add_keys(const RunRecord& record, std::vector<KeyFigure>& figures) {
  const auto cheap = cheap_keys(record);
  const auto full = attended_keys(record, "full");
  if (cheap) {
    figures.push_back({"Keys per query, " + cheap->label, format_keys(cheap->value),
                       full ? fmt::format("{:.1f}x fewer than full ({})", *full / cheap->value,
                                          format_keys(*full))
                            : ""});
  } else if (full) {
    figures.push_back({"Keys per query, full", format_keys(*full), ""});
  }
}

}  // namespace

std::string summary_text(const RunRecord& record) {
  return training_sentence(record) + loss_sentence(record) + evaluation_sentence(record);
}

std::vector<KeyFigure> key_figures(const RunRecord& record) {
  const MetricsHistory& history = record.history;
  std::vector<KeyFigure> figures;
  add_bits(record, figures);
  add_keys(record, figures);
  if (const auto last = final_loss(history)) {
    std::string detail;
    if (history.loss.size() > 1) {
      detail = fmt::format("began at {}", format_number(*first_finite(history.loss)));
    }
    if (last->steps > 1) detail = fmt::format("last {} steps; {}", last->steps, detail);
    figures.push_back({"Training loss", format_number(last->value), detail});
  }
  if (!history.step.empty()) {
    figures.push_back({"Tokens trained on", core::format_count(static_cast<double>(history.tokens)),
                       plural(static_cast<double>(last_step(record)), "step",
                              fmt::format("{}", last_step(record)))});
  }
  if (const auto speed = median(history.tokens_per_second)) {
    figures.push_back(
        {"Tokens per second", core::format_count(*speed),
         fmt::format("{} of training", core::format_duration(history.train_seconds))});
  }
  return figures;
}

std::vector<KeyFigure> score_figures(const RunComparison& comparison, std::size_t run) {
  std::vector<KeyFigure> figures;
  for (const FamilyCurves& family : family_curves(comparison)) {
    if (!family.fractions) continue;
    const RatioPoint* full = nullptr;
    const RatioPoint* cheap = nullptr;
    std::string method;
    for (const MethodCurve& curve : family.curves) {
      if (curve.run != run) continue;
      if (curve.method == "full") full = &curve.points.front();
      // In the order of the palette: gsa before h_gsa.
      if (!cheap && (curve.method == "gsa" || curve.method == "h_gsa")) {
        cheap = &curve.points.front();
        method = curve.method;
      }
    }
    if (!full || !cheap) continue;
    figures.push_back(
        {fmt::format(
             "{}, {} {}",
             family.tasks == 1 ? std::string_view(family.only_task) : short_title(family.family),
             method, format_ratio(cheap->ratio)),
         fmt::format("{:.1f}%", cheap->value * 100),
         fmt::format("full attention {:.1f}%{}", full->value * 100,
                     family.tasks > 1 && family.tasks < family.of_tasks
                         ? fmt::format("; {} of {} tasks", family.tasks, family.of_tasks)
                         : "")});
  }
  return figures;
}

namespace {

// Methods that choose what a query reads; gsa/policies/policy.h names their sources.
const std::vector<MethodNote>& choosing_notes() {
  static const std::vector<MethodNote> kNotes = {
      {"gsa",
       "Unfolding: a token behind the context reads the gists that score best, of all chunks, and "
       "the raw text of their chunks."},
      {"h_gsa",
       "As gsa, but gists are found level by level: only the children of picked ones are "
       "scored."},
      {"mean_pool", "As gsa, with chunks ranked by the mean of their raw keys."},
      {"random", "As gsa, with chunks drawn at random: what unfolding gives without a choice."},
      {"streaming",
       "StreamingLLM: the first tokens and a window of the most recent ones; no gists."},
      {"snapkv",
       "SnapKV: the keys of the prompt that its last tokens looked at most; no gists. The "
       "prompt, so also the first token behind it, attends fully."},
      {"h2o",
       "H2O: the most recent keys and those that got most attention so far; no gists. The "
       "prompt, so also the first token behind it, attends fully."},
      {"quest",
       "Quest: the pages of the context whose bounds promise most; no gists. The first two "
       "layers attend fully."}};
  return kNotes;
}

}  // namespace

std::vector<MethodNote> method_notes(const RunRecord& record) {
  const ConfigFacts& facts = record.facts;
  std::vector<std::string> used;
  for (const ValidationCurve& curve : record.history.validations) used.push_back(curve.visibility);
  if (record.results) {
    for (const ResultRow& row : record.results->rows) used.push_back(row.method);
  }
  const auto is_used = [&used](const char* method) {
    return std::find(used.begin(), used.end(), method) != used.end();
  };

  std::vector<MethodNote> notes;
  if (is_used("gist_only")) {
    std::string text = "every gist token before it";
    if (facts.chunks && facts.chunks->size() > 1) {
      text = "the top-level gist tokens before it, lower ones until a higher one closes over them";
    }
    text = "A token reads " + text + ", and raw text only from its own chunk";
    if (facts.previous_chunks) {
      text += fmt::format(", the {} before it",
                          plural(static_cast<double>(*facts.previous_chunks), "chunk",
                                 fmt::format("{}", *facts.previous_chunks)));
    }
    if (facts.sinks) {
      text += fmt::format(
          " and the first {} of the document",
          plural(static_cast<double>(*facts.sinks), "token", fmt::format("{}", *facts.sinks)));
    }
    if (facts.chunks && !facts.chunks->empty()) {
      text += fmt::format(". Chunks of {} tokens", facts.chunks->front());
      for (std::size_t level = 1; level < facts.chunks->size(); ++level) {
        text += fmt::format(", {} level-{} gists to a level-{} gist", (*facts.chunks)[level],
                            level - 1, level);
      }
    }
    notes.push_back({"gist_only", text + "."});
  }
  if (is_used("full")) {
    notes.push_back({"full",
                     "A token reads all raw text before it; gist tokens are invisible. The upper "
                     "bound that gist attention is measured against, with the same weights."});
  }
  for (const MethodNote& note : choosing_notes()) {
    if (is_used(note.method.c_str())) notes.push_back(note);
  }
  if (is_used("causal")) {
    notes.push_back({"causal", "A token reads everything before it, raw text and gist tokens."});
  }
  return notes;
}

}  // namespace unfold::eval
