#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "eval/report/html_sections.h"
#include "eval/report/metric_style.h"
#include "eval/report/sample_browser.h"

namespace unfold::eval {
namespace {

constexpr std::size_t kAllBytes = 2'500'000;  // of the samples of a page
constexpr std::size_t kMostTasks = 300;

std::string tags_text(const PredictedSample& sample) {
  std::string text;
  const auto add = [&text](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (std::isfinite(sample.context)) add(fmt::format("{:.0f} tokens of context", sample.context));
  if (std::isfinite(sample.depth)) add(fmt::format("depth {:.0f}%", sample.depth * 100));
  if (std::isfinite(sample.gold)) add(fmt::format("gold document {:g}", sample.gold));
  return text;
}

void write_texts(std::string_view label, const std::vector<std::string>& texts, std::size_t more,
                 HtmlWriter& html) {
  html.element("dt", label).open("dd");
  for (const std::string& text : texts) html.element("span", text, {{"class", "answer"}});
  if (more > 0) html.element("span", fmt::format("and {} more", more), {{"class", "soft"}});
  html.close();
}

void write_unfolded(const std::vector<UnfoldedText>& chunks, HtmlWriter& html) {
  html.open("details", {{"class", "unfolded"}});
  html.element("summary",
               fmt::format("unfolded: {} chunk{}", chunks.size(), chunks.size() == 1 ? "" : "s"));
  html.open("ol");
  for (const UnfoldedText& chunk : chunks) {
    html.open("li");
    if (std::isfinite(chunk.share)) {
      html.element("span", fmt::format("{:.0f}%", chunk.share * 100), {{"class", "share"}});
    }
    html.element("span", chunk.text, {{"class", "words"}}).close();
  }
  html.close().close();
}

std::string how_it_went(const PredictedSample& sample) {
  std::string text;
  if (sample.attended > 0 && std::isfinite(sample.attended)) {
    text = format_keys(sample.attended) + " keys";
  }
  if (sample.seconds > 0 && std::isfinite(sample.seconds)) {
    text += (text.empty() ? "" : ", ") + format_number(sample.seconds) + " s";
  }
  return text;
}

}  // namespace

// Renders samples into the page's writer: the answers of those that read everything are always
// shown, the others with their ratio.
class SampleWriter {
 public:
  SampleWriter(const RunComparison& comparison, const std::vector<RatioPanel>& panels,
               HtmlWriter& html)
      : comparison_(comparison), panels_(panels), html_(html) {}

  void write(const BrowsedSample& sample) {
    const PredictedSample& first = *sample.answers.front().sample;
    html_.open("article", {{"class", "sample"}}).open("header");
    html_.element("code", sample.id);
    html_.element("span", tags_text(first), {{"class", "soft"}}).close();
    html_.open("dl");
    const SampleText& text = *first.text;
    if (!text.question.empty()) {
      html_.element("dt", "Question").element("dd", text.question, {{"class", "words"}});
    }
    if (!text.answers.empty()) {
      write_texts(text.answers.size() + text.more_answers == 1 ? "Answer" : "Answers", text.answers,
                  text.more_answers, html_);
    }
    html_.close();
    for (const SampleAnswer& answer : sample.answers) write_answer(answer);
    html_.close();
  }

 private:
  // The ratio panel an answer belongs to; none: to all.
  std::string panel_class(const PredictionFile& file) const {
    for (std::size_t i = 0; i < panels_.size(); ++i) {
      if (panels_[i].ratio == file.ratio && panels_.size() > 1)
        return fmt::format("said at r{}", i);
    }
    return "said";
  }

  void write_answer(const SampleAnswer& answer) {
    const PredictionFile& file = *answer.file;
    const SampleText& text = *answer.sample->text;
    const std::string color = color_class(comparison_.palette.color(file.method));
    html_.open("div", {{"class", panel_class(file)}});
    html_.open("div", {{"class", "who " + color}});
    html_.element("span", series_name(comparison_, file.method, answer.run), {{"class", "name"}});
    if (!reads_everything(file.method)) {
      html_.element("span", fmt::format("{:.3g}\u00d7", file.ratio), {{"class", "soft"}});
    }
    html_.close();
    html_.open("div", {{"class", "score"}});
    const double score = answer.sample->score;
    html_.text(format_score(file.metric, score));
    if (score >= 0 && score <= 1) {
      html_.raw(fmt::format(R"(<span class="bar {}"><i style="width:{:.0f}%"></i></span>)", color,
                            score * 100));
    }
    html_.close();
    html_.open("div", {{"class", "text"}});
    if (text.prediction.empty()) {
      html_.element("span", "(nothing)", {{"class", "soft"}});
    } else {
      html_.element("span", text.prediction, {{"class", "words"}});
    }
    const std::string went = how_it_went(*answer.sample);
    if (!went.empty()) html_.element("small", went, {{"class", "soft"}});
    if (!text.unfolded.empty()) write_unfolded(text.unfolded, html_);
    html_.close().close();
  }

  const RunComparison& comparison_;
  const std::vector<RatioPanel>& panels_;
  HtmlWriter& html_;
};

namespace {

// The samples of a task as markup, as many as fit into `bytes`, spread evenly; at least one while
// it fits at all.
std::vector<std::string> fitting_samples(const RunComparison& comparison,
                                         const std::vector<RatioPanel>& panels,
                                         const BrowsedTask& task, std::size_t bytes) {
  std::vector<std::string> all;
  for (const BrowsedSample& sample : task.shown) {
    HtmlWriter html;
    SampleWriter(comparison, panels, html).write(sample);
    all.push_back(html.str());
  }
  for (std::size_t count = all.size(); count > 0; --count) {
    std::size_t size = 0;
    std::vector<std::string> chosen;
    for (const std::size_t place : spread_evenly(count, all.size())) {
      size += all[place].size();
      chosen.push_back(all[place]);
    }
    if (size <= bytes) return chosen;
  }
  return {};
}

}  // namespace

void ReportPage::write_samples() {
  const std::vector<BrowsedTask> tasks = browsed_tasks(comparison_);
  if (tasks.empty()) return;
  begin_section("samples", "Samples",
                "What was asked, what each method answered, and what it unfolded. Samples are "
                "spread evenly over a task; long texts are cut.");
  write_ratio_choice();
  std::size_t left = kAllBytes;
  const std::size_t shown_tasks = std::min(tasks.size(), kMostTasks);
  for (std::size_t i = 0; i < shown_tasks; ++i) {
    const std::vector<std::string> samples =
        fitting_samples(comparison_, panels_, tasks[i], left / (shown_tasks - i));
    html_.open("details", {{"class", "sheet task"}});
    html_.open("summary").text(tasks[i].task);
    html_.element("span", fmt::format("{} of {} samples", samples.size(), tasks[i].samples),
                  {{"class", "soft"}});
    html_.close();
    for (const std::string& sample : samples) {
      html_.raw(sample);
      left -= sample.size();
    }
    html_.close();
  }
  if (tasks.size() > shown_tasks) {
    html_.element("p", fmt::format("{} further tasks are left out.", tasks.size() - shown_tasks),
                  {{"class", "more"}});
  }
  end_section();
}

}  // namespace unfold::eval
