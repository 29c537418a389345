#include "eval/report/report.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "eval/report/html.h"
#include "eval/report/html_page.h"
#include "eval/report/markdown_page.h"
#include "eval/report/metrics_history.h"
#include "eval/report/run_comparison.h"
#include "eval/report/summary.h"
#include "tests/eval/run_files.h"
#include "tests/support/temp_folder.h"

namespace unfold::eval {
namespace {

using nlohmann::json;
using test::user_error;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string page_of(const std::filesystem::path& folder) {
  return html_page(compare_runs({read_run(folder)}));
}

// Whether every element is closed in the right order, as in XML; void elements of HTML excepted.
bool balanced(const std::string& html) {
  std::vector<std::string> open;
  for (std::size_t at = html.find('<'); at != std::string::npos; at = html.find('<', at + 1)) {
    if (html[at + 1] == '!') continue;
    const std::size_t end = html.find('>', at);
    const bool closing = html[at + 1] == '/';
    const std::size_t from = at + (closing ? 2 : 1);
    const std::string name = html.substr(from, html.find_first_of(" >/", from) - from);
    if (closing) {
      if (open.empty() || open.back() != name) return false;
      open.pop_back();
    } else if (html[end - 1] != '/' && name != "meta" && name != "input" && name != "wbr") {
      open.push_back(name);
    }
  }
  return open.empty();
}

TEST(Html, EscapesTextAndAttributes) {
  EXPECT_EQ(escape_html("<a href=\"x\">&'\n\t"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;\n\t");
  EXPECT_EQ(escape_html(std::string("a\0b\x1b\x7f", 5)), "ab");
  HtmlWriter html;
  html.open("p", {{"title", "\"><script>"}}).text("1 < 2").close();
  EXPECT_EQ(html.str(), "<p title=\"&quot;&gt;&lt;script&gt;\">1 &lt; 2</p>\n");
}

TEST(Html, OpenElementsAreABug) {
  HtmlWriter html;
  html.open("p");
  EXPECT_THROW(html.str(), core::InternalError);
  html.close();
  EXPECT_THROW(html.close(), core::InternalError);
}

TEST(Metrics, ReadsStepsAndValidations) {
  const test::TempFolder folder;
  core::write_file_atomically(folder / "m", metrics_text(20, 10, 7));
  const MetricsHistory history = read_metrics(folder / "m");
  ASSERT_EQ(history.step.size(), 20u);
  EXPECT_EQ(history.loss[0], 6.0);
  EXPECT_TRUE(std::isnan(history.loss[6]));
  EXPECT_EQ(history.tokens, 20'000);
  EXPECT_DOUBLE_EQ(history.train_seconds, 10);
  ASSERT_EQ(history.validations.size(), 2u);
  EXPECT_EQ(history.validations[1].visibility, "gist_only");
  EXPECT_EQ(history.validations[1].step, (std::vector<double>{10, 20}));
  EXPECT_DOUBLE_EQ(history.validations[1].bits_per_byte[0], 1.7);
}

TEST(Metrics, TornLastLineIsLeftOutAndADamagedOneNamed) {
  const test::TempFolder folder;
  const std::string text = metrics_text(3, 0);
  core::write_file_atomically(folder / "m", text.substr(0, text.size() - 9));
  EXPECT_EQ(read_metrics(folder / "m").step.size(), 2u);
  core::write_file_atomically(folder / "m", "");
  EXPECT_TRUE(read_metrics(folder / "m").step.empty());
  EXPECT_TRUE(read_metrics(folder / "missing").step.empty());
  for (const char* damaged : {"{\"step\":", "7", "{\"step\":null}", "{\"step\":1,\"val\":[]}",
                              "\xff", "{\"step\":1,\"val\":{\"gist\":3}}"}) {
    core::write_file_atomically(folder / "m", std::string(damaged) + "\n" + text);
    EXPECT_TRUE(contains(user_error([&] { read_metrics(folder / "m"); }), "m:1: not a line"))
        << damaged;
  }
}

TEST(Metrics, UnorderedStepsAreSorted) {
  const test::TempFolder folder;
  core::write_file_atomically(
      folder / "m",
      "{\"step\":3,\"loss\":30}\n{\"step\":1,\"loss\":10}\n{\"step\":2,\"loss\":20}\n");
  EXPECT_EQ(read_metrics(folder / "m").loss, (std::vector<double>{10, 20, 30}));
}

TEST(Report, WritesFourFilesWithTheFigures) {
  const test::TempFolder folder;
  write_run(folder.path());
  const ReportFiles files = build_report({folder.path()});
  const std::string html = core::read_text_file(files.html);
  EXPECT_TRUE(balanced(html));
  for (const char* part :
       {"<title>", "1.2M-parameter llama decoder (4 layers, width 128)",
        "for 100 steps and 100k tokens", "<b>90.0%</b>", "[81.0%, 95.6%]", "Training loss",
        "Learning rate", "Gradient norm", "What each method reads", "previous_chunks: 1",
        "5.0x fewer than full (400.0)"}) {
    EXPECT_TRUE(contains(html, part)) << part;
  }
  const std::string markdown = core::read_text_file(files.markdown);
  EXPECT_TRUE(contains(markdown,
                       "| passkey | accuracy | 80.0% \\[72.0%, 85.0%\\] | **90.0%** "
                       "\\[81.0%, 95.6%\\] |"))
      << markdown;
  const std::string csv = core::read_text_file(files.csv);
  EXPECT_TRUE(contains(csv, ",passkey,accuracy,gist_only,8,0.9,0.81,0.95625,200,80,,0,,,\r\n"))
      << csv;
  EXPECT_TRUE(contains(markdown, "| 100 | 1.510 | 1.610 |")) << markdown;

  const json report = json::parse(core::read_text_file(files.json));
  EXPECT_EQ(report["results"].size(), 4u);
  EXPECT_EQ(report["results"][3]["best"], true);
  EXPECT_EQ(report["training"]["loss"]["value"].size(), 100u);
  EXPECT_EQ(report["validation"]["gist_only"]["bits_per_byte"].size(), 10u);
}

TEST(Report, PageFetchesNothingAndRunsNothing) {
  const test::TempFolder folder;
  write_run(folder.path());
  const std::string html = page_of(folder.path());
  EXPECT_TRUE(contains(html, "default-src &#39;none&#39;")) << "and forbids it";
  for (const char* part : {"http:", "https:", "<script", "<link", "src=", "@import", "url("}) {
    EXPECT_FALSE(contains(html, part)) << part;
  }
  EXPECT_TRUE(contains(html, "prefers-color-scheme: dark"));
  EXPECT_TRUE(contains(html, "width=device-width"));
  EXPECT_EQ(html, page_of(folder.path())) << "the same run gives the same page";
}

TEST(Report, AllTextIsEscaped) {
  const test::TempFolder folder;
  write_run(folder.path(), 20);
  const std::string evil = "</pre><script>alert(1)</script>\"'&";
  Results results;
  results.rows = {result_row(evil, evil, "accuracy", 0.5),
                  result_row(evil, "gist_only", evil, 0.5)};
  results.version = evil;
  write_results(folder / "results.json", results);
  core::write_file_atomically(folder / "config.yaml", config_text() + "# " + evil + "\n# ```\n");
  core::write_file_atomically(
      folder / "metrics.jsonl",
      json({{"step", 1}, {"val", {{evil, {{"bits_per_byte", 2.0}}}}}}).dump() + "\n");
  const ReportFiles files = build_report({folder.path()});
  const std::string html = core::read_text_file(files.html);
  EXPECT_FALSE(contains(html, "<script"));
  EXPECT_TRUE(contains(html, "&lt;script&gt;alert(1)&lt;/script&gt;"));
  EXPECT_TRUE(balanced(html));
  const std::string markdown = core::read_text_file(files.markdown);
  const std::size_t config = markdown.find("\n````yaml\n");
  ASSERT_NE(config, std::string::npos) << "a fence longer than those inside";
  EXPECT_FALSE(contains(markdown.substr(0, config), "<script"));
}

TEST(Report, MarkdownEscapes) {
  EXPECT_EQ(escape_markdown("a|b `c` *d* [e] <f> \\ _g_ h_i\nj"),
            "a\\|b \\`c\\` \\*d\\* \\[e\\] &lt;f&gt; \\\\ \\_g\\_ h_i j");
}

TEST(Report, MissingPartsAreNoObstacle) {
  const test::TempFolder folder;
  core::write_file_atomically(folder / "metrics.jsonl", "");
  std::string html = page_of(folder.path());
  EXPECT_TRUE(contains(html, "no training step is on record"));
  EXPECT_TRUE(contains(html, "Not evaluated yet"));
  EXPECT_FALSE(contains(html, "Training loss"));
  EXPECT_TRUE(balanced(html));

  core::write_file_atomically(folder / "metrics.jsonl", metrics_text(1, 0));
  html = page_of(folder.path());
  EXPECT_TRUE(contains(html, "for 1 step and 1.0k tokens"));
  EXPECT_TRUE(contains(html, "<circle")) << "a single step is a dot";

  core::write_file_atomically(folder / "metrics.jsonl", metrics_text(50, 5, 1));  // every loss NaN
  html = page_of(folder.path());
  EXPECT_FALSE(contains(html, "nan"));
  EXPECT_TRUE(contains(html, "Validation"));
}

TEST(Report, LongRunsStaySmall) {
  const test::TempFolder folder;
  core::write_file_atomically(folder / "metrics.jsonl", metrics_text(10'000, 100, 97));
  const ReportFiles files = build_report({folder.path()});
  EXPECT_LT(std::filesystem::file_size(files.html), 200'000u);
  EXPECT_TRUE(balanced(core::read_text_file(files.html)));
}

TEST(Report, GoesToAnotherFolderOnRequest) {
  const test::TempFolder folder;
  write_run(folder.path(), 10);
  const ReportFiles files = build_report({folder.path()}, folder / "deep/er");
  EXPECT_EQ(files.html, folder / "deep/er/report.html");
  EXPECT_TRUE(std::filesystem::exists(files.json));
  EXPECT_FALSE(std::filesystem::exists(folder / "report.html"));
}

TEST(Report, BadInputIsNamed) {
  const test::TempFolder folder;
  EXPECT_TRUE(contains(user_error([&] { build_report({folder / "none"}); }), "no such run folder"));
  EXPECT_TRUE(contains(user_error([&] { build_report({folder.path()}); }), "not a run"));
  core::write_file_atomically(folder / "config.yaml", "a: [1\nb: }");
  EXPECT_TRUE(contains(user_error([&] { build_report({folder / "config.yaml"}); }), "is a file"));
  EXPECT_TRUE(
      contains(user_error([&] { build_report({folder.path()}); }), "config.yaml:2: not YAML"));
  core::write_file_atomically(folder / "config.yaml", std::string(100'000, '['));
  user_error([&] { build_report({folder.path()}); });
  core::write_file_atomically(folder / "config.yaml",
                              "gist: 7\nmodel: [1]\ntrain: {steps: many}\n");
  EXPECT_NO_THROW(build_report({folder.path()})) << "odd values are shown, not judged";
  core::write_file_atomically(folder / "results.json", "{");
  EXPECT_TRUE(
      contains(user_error([&] { build_report({folder.path()}); }), "results.json: not JSON"));
}

TEST(Summary, NotesSayWhatEachMethodReads) {
  const test::TempFolder folder;
  write_run(folder.path(), 10);
  const auto notes = method_notes(read_run(folder.path()));
  ASSERT_EQ(notes.size(), 2u);
  EXPECT_EQ(notes[0].method, "gist_only");
  EXPECT_EQ(notes[0].text,
            "A token reads every gist token before it, and raw text only from its own chunk, the 1 "
            "chunk before it and the first 3 tokens of the document. Chunks of 8 tokens.");
  EXPECT_EQ(notes[1].method, "full");
}

}  // namespace
}  // namespace unfold::eval
