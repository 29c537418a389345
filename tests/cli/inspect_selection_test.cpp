// unfold inspect selection, run as a user would.
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "tests/cli/trained_run.h"

namespace unfold::cli {
namespace {

std::string selection_error(const std::string& arguments) {
  const ProgramResult result = run_unfold("inspect selection " + arguments);
  EXPECT_EQ(result.code, 2) << arguments << result.err;
  EXPECT_EQ(result.out, "") << arguments;
  EXPECT_TRUE(result.err_is_one_line()) << arguments << "\n" << result.err;
  return result.err;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TEST(InspectSelection, TextAndPageOfARun) {
  const TrainedRun trained("inspect_selection");
  const std::string text = trained.folder().write(
      "text.txt", "Facts: Marlo <tulip> river, Besta stone lamp, Orin glass coin, 40 of them.\n");
  const std::string asked =
      fmt::format("inspect selection '{}' --text '{}' --question 'Recall Marlo' --max-tokens 4 ",
                  trained.run(), text);
  const ProgramResult shown = run_unfold(asked);
  ASSERT_EQ(shown.code, 0) << shown.err;
  const std::vector<std::string> lines = lines_of(shown.out);
  ASSERT_GE(lines.size(), 10u);
  EXPECT_EQ(lines[0].find("run run, gsa, layer 1 of 0 to 1, key/value head 0 of 1, "), 0u);

  // The counts of the second table are those of the picks in the first.
  std::size_t at = 3;
  std::vector<int> times(1000, 0);
  std::size_t tokens = 0;
  for (; at < lines.size() && !lines[at].empty(); ++at, ++tokens) {
    std::istringstream numbers(lines[at].substr(lines[at].rfind("  ") + 2));
    int previous = -1;
    for (int chunk = 0; numbers >> chunk; previous = chunk) {
      EXPECT_GT(chunk, previous);
      ++times.at(static_cast<std::size_t>(chunk));
    }
    EXPECT_GE(previous, 0) << lines[at];
  }
  EXPECT_GE(tokens, 1u);
  EXPECT_LE(tokens, 4u);
  std::size_t chunk = 0;
  for (at += 2; at < lines.size(); ++at, ++chunk) {
    std::istringstream cells(lines[at]);
    std::size_t number = 0;
    int count = -1;
    cells >> number >> count;
    EXPECT_EQ(number, chunk);
    EXPECT_EQ(count, times[chunk]) << lines[at];
  }
  EXPECT_NE(lines[0].find(fmt::format(", {} chunks", chunk)), std::string::npos) << lines[0];

  const std::string file = trained.file("page.html");
  const ProgramResult written =
      run_unfold(asked + fmt::format("--format html --method h_gsa --out '{}'", file));
  EXPECT_EQ(written.code, 0) << written.err;
  EXPECT_EQ(written.out, "");
  std::ifstream in(file);
  const std::string page(std::istreambuf_iterator<char>(in), {});
  EXPECT_EQ(page.find("<!DOCTYPE html>"), 0u);
  EXPECT_NE(page.find("&lt;"), std::string::npos);
  EXPECT_EQ(page.find("<tulip>"), std::string::npos);
  std::size_t spans = 0;
  for (std::size_t p = page.find("class=\"chunk\""); p != std::string::npos;
       p = page.find("class=\"chunk\"", p + 1)) {
    ++spans;
  }
  EXPECT_EQ(spans, chunk);
  // One level of gists: the descent is all of the selection, so both methods show the same.
  EXPECT_EQ(run_unfold(asked + "--method h_gsa").out.substr(lines[0].size() + 2),
            shown.out.substr(lines[0].size()));
}

TEST(InspectSelection, Errors) {
  const TrainedRun trained("inspect_selection_errors");
  const std::string text = trained.folder().write("text.txt", "Facts: Marlo tulip river.");
  const std::string empty = trained.folder().write("empty.txt", "");
  const std::string latin = trained.folder().write("latin.txt", "ab\xff");
  const auto expect = [](const std::string& error, const std::string& part) {
    EXPECT_NE(error.find(part), std::string::npos) << error;
  };
  const auto with_text = [&](const std::string& file) {
    return fmt::format("'{}' --text '{}' --question q ", trained.run(), file);
  };
  const std::string asked = with_text(text);
  expect(selection_error(asked + "--layer 0"), "layer 0: choose 1 to 1");
  expect(selection_error(asked + "--layer 2"), "layer 2: choose 1 to 1");
  expect(selection_error(asked + "--layer -1"), "--layer -1");
  expect(selection_error(asked + "--kv-head 1"), "key/value head 1: choose 0 to 0");
  expect(selection_error(asked + "--kv-head -1"), "key/value head -1");
  expect(selection_error(asked + "--max-tokens 0"), "--max-tokens 0");
  expect(selection_error(asked + "--method full"), "full");
  expect(selection_error(asked + "--checkpoint 3"), "no checkpoint of step 3");
  expect(selection_error(asked + fmt::format("--out '{}'", trained.file("none/page.html"))),
         "none/page.html");
  expect(selection_error(asked + fmt::format("--out '{}'", text)), text + ": exists already");
  expect(selection_error(with_text(empty)), empty + ": is empty");
  expect(selection_error(with_text(latin)), latin + ": not UTF-8 at byte 2");
  expect(selection_error(with_text(trained.file("none.txt"))), "none.txt");
  expect(selection_error(with_text(trained.file("train"))), trained.file("train"));
  const std::string run = fmt::format("'{}' --text '{}' ", trained.run(), text);
  expect(selection_error(run + "--question ''"), "--question ''");
  expect(selection_error(run), "--question");
  expect(selection_error(fmt::format("'{}' --text '{}' --question q", trained.file("none"), text)),
         "no such run folder");
}

TEST(InspectSelection, ARunWithoutGists) {
  const TrainedRun trained("inspect_selection_plain",
                           "--set train.objective=lm --set 'gist.chunks=[]' --set "
                           "'eval.methods=[full]'");
  const std::string text = trained.folder().write("text.txt", "Facts.");
  const std::string error =
      selection_error(fmt::format("'{}' --text '{}' --question q", trained.run(), text));
  EXPECT_NE(error.find("has no gist tokens"), std::string::npos) << error;
}

}  // namespace
}  // namespace unfold::cli
