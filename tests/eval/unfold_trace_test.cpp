// What is shown as unfolded is what the model selects: compared with the selection of whole rows,
// another implementation, on the same tokens.
#include "eval/unfold_trace.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <span>

#include "autograd/variable.h"
#include "core/error.h"
#include "eval/prompt.h"
#include "eval/report/unfold_page.h"
#include "eval/report/unfold_text.h"
#include "gsa/layout.h"
#include "models/generate.h"
#include "models/unfolding_attention.h"
#include "tests/eval/tiny_run.h"
#include "tests/support/temp_folder.h"

namespace unfold::eval {
namespace {

using test::TempFolder;

const std::string kText =
    "Facts: Marlo <b>tulip</b> \"river\" & Besta stone lamp,\ncaf\u00e9 \u20ac 5. Nothing else is "
    "known of them.";
const std::string kQuestion = "Recall Marlo";

TinyRunOptions tiny(std::vector<std::int64_t> chunks, std::uint64_t seed = 1) {
  TinyRunOptions options;
  options.gist = {.chunks = std::move(chunks), .sinks = 2, .previous_chunks = 1};
  options.seed = seed;
  return options;
}

Method method_of(std::string_view name, std::int64_t picks) {
  Method method = method_from_name(name);
  method.policy.selection.budget = gsa::Budget::fixed;
  method.policy.selection.chunks = picks;
  return method;
}

// What the model answers, without anybody watching.
std::vector<data::TokenId> answer_of(LoadedRun& run, const Method& method, std::int64_t tokens) {
  const gsa::GistConfig& gist = run.description.gist;
  const models::Prompt prompt = PromptBuilder(run, gist).build(method, run.tokenizer->encode(kText),
                                                               run.tokenizer->encode(kQuestion));
  models::Engine engine(run.decoder, gist, method.policy);
  return models::generate(engine, std::span(&prompt, 1), {.max_tokens = tokens}).front().tokens;
}

// What training selects for the last queries of the sequence, in the last layer: one list a step.
std::vector<std::vector<std::int32_t>> reference(LoadedRun& run, const Method& method,
                                                 const UnfoldTrace& trace) {
  const gsa::GistConfig& gist = run.description.gist;
  models::Prompt all = PromptBuilder(run, gist).build(method, run.tokenizer->encode(kText),
                                                      run.tokenizer->encode(kQuestion));
  const auto steps = static_cast<std::int64_t>(trace.steps.size());
  for (const data::TokenId token : answer_of(run, method, steps)) {
    all.tokens.push_back(token);
    all.level.push_back(-1);
  }
  const auto length = static_cast<std::int64_t>(all.tokens.size());
  const gsa::Layout layout = gsa::make_layout(1, length, gist.levels(), all.level,
                                              std::vector<std::int32_t>(all.tokens.size(), 0));
  models::UnfoldingAttention attention(layout, gist, gsa::for_gists(method.policy.selection, gist),
                                       {.keep_selections = true});
  const autograd::NoGrad no_grad;
  run.decoder.hidden(core::Tensor::from(all.tokens, {length}),
                     core::Tensor::from(layout.rope, {length}), attention);
  const gsa::Selection& selection = *attention.selections().back();
  const auto& suffix = attention.context().table->suffix;
  const auto question = static_cast<std::int64_t>(run.tokenizer->encode(kQuestion).size());
  std::vector<std::vector<std::int32_t>> picks;
  for (std::size_t i = 0; i < suffix.size(); ++i) {
    if (suffix[i].position < all.suffix + question - 1) continue;
    const auto of = selection.of(static_cast<std::int64_t>(i), trace.kv_head, 0);
    picks.emplace_back(of.begin(), of.end());
  }
  return picks;
}

TEST(UnfoldTrace, ShowsWhatTrainingSelects) {
  const TempFolder folder;
  const struct {
    const char* method;
    std::vector<std::int64_t> chunks;
  } cases[] = {{"gsa", {4}}, {"h_gsa", {4}}, {"h_gsa", {4, 2}}, {"h_gsa", {3, 2, 2}}};
  for (const auto& one : cases) {
    for (const std::uint64_t seed : {1u, 2u}) {
      const TinyRunOptions options = tiny(one.chunks, seed);
      const std::filesystem::path place = folder.path() / fmt::format("run{}", seed);
      std::filesystem::remove_all(place);
      LoadedRun run = make_tiny_run(place, options);
      const Method method = method_of(one.method, 3);
      const UnfoldTrace trace = trace_unfolding(run, method, kText, kQuestion, {.max_tokens = 9});
      ASSERT_EQ(trace.steps.size(), 9u);
      EXPECT_EQ(trace.layer, 1);
      const auto expected = reference(run, method, trace);
      // The last token was not fed again, so its own query is only in the reference.
      ASSERT_EQ(expected.size(), trace.steps.size() + 1);
      std::vector<std::int64_t> times(trace.chunks.size(), 0);
      for (std::size_t i = 0; i < trace.steps.size(); ++i) {
        EXPECT_EQ(trace.steps[i].chunks, expected[i]) << one.method << " step " << i;
        EXPECT_GE(trace.steps[i].chunks.size(), 3u);
        EXPECT_FALSE(trace.steps[i].end);
        for (const std::int32_t chunk : expected[i]) ++times[static_cast<std::size_t>(chunk)];
      }
      EXPECT_EQ(trace.times_unfolded(), times);
    }
  }
}

TEST(UnfoldTrace, ChunksAreTheText) {
  const TempFolder folder;
  LoadedRun run = make_tiny_run(folder.path() / "run", tiny({4, 2}));
  const Method method = method_of("gsa", 2);
  const UnfoldTrace trace = trace_unfolding(run, method, kText, kQuestion, {.max_tokens = 2});
  EXPECT_EQ(std::accumulate(trace.chunks.begin(), trace.chunks.end(), std::string()), kText);
  EXPECT_EQ(trace.run, "run");
  EXPECT_EQ(trace.question, kQuestion);
  const models::Prompt prompt =
      PromptBuilder(run, run.description.gist).build(method, run.tokenizer->encode(kText), {});
  EXPECT_EQ(static_cast<std::int64_t>(trace.chunks.size()),
            std::count(prompt.level.begin(), prompt.level.end(), 0));

  // Every chunk picked: the queries read all that is before them.
  Method all = method_of("gsa", 1000);
  all.policy.selection.quarter_cap = false;
  const UnfoldTrace whole = trace_unfolding(run, all, kText, kQuestion, {.max_tokens = 2});
  for (std::size_t i = 0; i < whole.steps.size(); ++i) {
    EXPECT_EQ(whole.steps[i].chunks.size(), whole.chunks.size());
    const std::size_t raw = kText.size() + kQuestion.size() + i;
    EXPECT_EQ(whole.steps[i].keys, static_cast<std::int64_t>(raw + whole.chunks.size()));
  }
}

TEST(UnfoldTrace, TheEndIsAStepOfItsOwn) {
  const TempFolder folder;
  const Method method = method_of("gsa", 2);
  TinyRunOptions options = tiny({4});
  LoadedRun run = make_tiny_run(folder.path() / "run", options);
  // The end scores twice what the best token does.
  const data::TokenId best = answer_of(run, method, 1).front();
  options.change = [&](models::Decoder& decoder) {
    const core::Tensor& head = decoder.head().value();
    auto* values = head.data<double>();
    const std::int64_t width = head.dim(1);
    for (std::int64_t d = 0; d < width; ++d) {
      values[run.tokenizer->eos() * width + d] = 2 * values[best * width + d];
    }
  };
  LoadedRun ending = make_tiny_run(folder.path() / "ending", options);
  const UnfoldTrace trace = trace_unfolding(ending, method, kText, kQuestion, {.max_tokens = 3});
  ASSERT_EQ(trace.steps.size(), 1u);
  EXPECT_TRUE(trace.steps[0].end);
  EXPECT_EQ(trace.steps[0].token, "");
  EXPECT_EQ(trace.answer, "");
  EXPECT_EQ(trace.steps[0].chunks,
            trace_unfolding(run, method, kText, kQuestion, {.max_tokens = 3}).steps[0].chunks);
}

TEST(UnfoldTrace, UserErrors) {
  const TempFolder folder;
  LoadedRun run = make_tiny_run(folder.path() / "run", tiny({4}));
  const Method method = method_of("gsa", 2);
  const auto trace = [&](const std::string& text, const std::string& question,
                         const UnfoldOptions& options) {
    trace_unfolding(run, method, text, question, options);
  };
  EXPECT_THROW(trace("", "q", {}), core::UserError);
  EXPECT_THROW(trace("t", "", {}), core::UserError);
  EXPECT_THROW(trace("t", "q", {.layer = 0}), core::UserError) << "selects nothing";
  EXPECT_THROW(trace("t", "q", {.layer = 2}), core::UserError);
  EXPECT_THROW(trace("t", "q", {.layer = -2}), core::UserError);
  EXPECT_THROW(trace("t", "q", {.kv_head = 1}), core::UserError);
  EXPECT_THROW(trace("t", "q", {.kv_head = -1}), core::UserError);
  EXPECT_THROW(trace("t", "q", {.max_tokens = 0}), core::UserError);
  trace("t", "q", {.layer = 1});
  Method late = method;
  late.policy.first_layer = 2;
  EXPECT_THROW(trace_unfolding(run, late, "t", "q"), core::UserError);
  late.policy.first_layer = 0;
  EXPECT_EQ(trace_unfolding(run, late, "t", "q", {.layer = 0}).layer, 0);
  LoadedRun plain = make_tiny_run(folder.path() / "plain", tiny({}));
  EXPECT_THROW(trace_unfolding(plain, method, "t", "q"), core::UserError);
}

UnfoldTrace example() {
  UnfoldTrace trace;
  trace.run = "a<run>";
  trace.method = "h_gsa";
  trace.layer = 2;
  trace.layers = 4;
  trace.kv_head = 1;
  trace.kv_heads = 2;
  trace.chunks = {"One <i>\n", "two \"&\" ", "</script>three"};
  trace.question = "What's <that>?";
  trace.answer = "<x>\n";
  trace.steps = {{"<x>", false, {0, 2}, 12, 5}, {"\n", false, {2}, 9, 5}, {"", true, {}, 3, 5}};
  return trace;
}

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

TEST(UnfoldText, TokensThenChunks) {
  EXPECT_EQ(unfold_text(example()),
            "run a<run>, h_gsa, layer 2 of 0 to 3, key/value head 1 of 2, 3 chunks\n"
            "\n"
            "token  generated  keys read  chunks unfolded\n"
            "    1  \"<x>\"             12  0 2\n"
            "    2  \"\\n\"               9  2\n"
            "    3  (end)              3  \n"
            "\n"
            "chunk  unfolded  text\n"
            "    0         1  \"One <i>\\n\"\n"
            "    1         0  \"two \\\"&\\\" \"\n"
            "    2         2  \"</script>three\"\n");
  EXPECT_EQ(quote_line("a\tb\\\x01\x7f\u00e9"), "\"a\\tb\\\\\\x01\\x7f\u00e9\"");
}

// Every element that is opened is closed in order; attributes are in double quotes.
void expect_well_formed(const std::string& html) {
  std::vector<std::string> open;
  std::size_t at = html.find('<');
  for (; at != std::string::npos; at = html.find('<', at)) {
    const std::size_t end = html.find('>', at);
    ASSERT_NE(end, std::string::npos);
    std::string tag = html.substr(at + 1, end - at - 1);
    at = end + 1;
    if (tag.starts_with('!')) continue;
    EXPECT_EQ(std::count(tag.begin(), tag.end(), '"') % 2, 0) << tag;
    const bool closes = tag.starts_with('/');
    const std::string name = tag.substr(closes ? 1 : 0, tag.find(' ') - (closes ? 1 : 0));
    if (closes) {
      ASSERT_FALSE(open.empty()) << tag;
      EXPECT_EQ(open.back(), name);
      open.pop_back();
    } else if (name != "meta" && name != "br") {
      open.push_back(name);
      // What a script or style holds is no markup.
      if (name == "script" || name == "style") at = html.find(fmt::format("</{}", name), at);
    }
  }
  EXPECT_TRUE(open.empty());
}

TEST(UnfoldPage, EveryChunkOnceAndAllTextEscaped) {
  const std::string page = unfold_page(example());
  expect_well_formed(page);
  EXPECT_EQ(count_of(page, "<span class=\"chunk\""), 3u);
  const auto chunk = [&](const std::string& heat, const std::string& note,
                         const std::string& text) {
    return count_of(
        page, fmt::format(R"(<span class="chunk" style="--heat:{}" title="{}">{}</span>)", heat,
                          note, text));
  };
  EXPECT_EQ(chunk("0.333", "chunk 0: unfolded for 1 of 3 tokens (1)", "One &lt;i&gt;\n"), 1u);
  EXPECT_EQ(chunk("0.000", "chunk 1: never unfolded", "two &quot;&amp;&quot; "), 1u);
  EXPECT_EQ(chunk("0.667", "chunk 2: unfolded for 2 of 3 tokens (1, 2)", "&lt;/script&gt;three"),
            1u);
  EXPECT_EQ(count_of(page, "<button class=\"token\""), 3u);
  EXPECT_EQ(count_of(page, "const picks = [[0,2],[2],[]];"), 1u);
  EXPECT_EQ(count_of(page, "What&#39;s &lt;that&gt;?"), 1u);
  EXPECT_EQ(count_of(page, "<h1>a&lt;run&gt;</h1>"), 1u);
  EXPECT_EQ(count_of(page, "</script>"), 1u);
  EXPECT_EQ(count_of(page, "<i>"), 0u);
  // Nothing is fetched from anywhere.
  for (const char* outside : {"http:", "https:", "src=", "href=", "url(", "@import"}) {
    EXPECT_EQ(count_of(page, outside), 0u) << outside;
  }
  EXPECT_EQ(page, unfold_page(example()));
}

}  // namespace
}  // namespace unfold::eval
