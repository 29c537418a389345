#include "eval/longbench/longbench_task.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "data/sha256.h"
#include "data/text.h"
#include "data/tokenizer/tokenizer_spec.h"
#include "eval/longbench/longbench_config.h"
#include "eval/longbench/longbench_prompt.h"
#include "eval/predictions/prediction_store.h"
#include "eval/records/record_file.h"
#include "eval/runner.h"
#include "tests/eval/tiny_run.h"
#include "tests/support/temp_folder.h"

namespace unfold::eval {
namespace {

namespace fs = std::filesystem;
using test::TempFolder;
using test::user_error;

constexpr const char* kChatMl =
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] "
    "+ '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ "
    "'<|im_start|>assistant\n' }}{% endif %}";

TEST(PromptTemplate, IsFilledInAsPythonFormatsIt) {
  const PromptTemplate made("A {{x}} {context}\n{input} {context}!{input}", "t.json");
  const PromptTemplate::Prompt prompt = made.render("{c}", "{{i}}");
  EXPECT_EQ(prompt.text, "A {x} {c}\n{{i}} {c}!{{i}}");
  EXPECT_EQ(prompt.text.substr(prompt.suffix), "!{{i}}");
  const PromptTemplate bare("{context}", "t.json");
  EXPECT_EQ(bare.render("abc", "i").text, "abc");
  EXPECT_EQ(bare.render("abc", "i").suffix, 3u);
}

TEST(PromptTemplate, BadOnesAreErrors) {
  for (const auto& [text, part] : std::vector<std::pair<std::string, std::string>>{
           {"no context {input}", "has no {context}"},
           {"{context} {other}", "{other} in the template"},
           {"{context} {", "without its partner"},
           {"{context} }", "without its partner"},
           {"", "has no {context}"}}) {
    EXPECT_NE(user_error([&, text = text] { PromptTemplate(text, "t.json"); }).find(part),
              std::string::npos)
        << text;
  }
}

class LongBenchPrompts : public testing::Test {
 protected:
  std::shared_ptr<const data::Tokenizer> bytes_ = data::load_tokenizer("byte");
  PromptTemplate template_{"Read: {context} Then: {input} Say:", "t.json"};
};

TEST_F(LongBenchPrompts, LoseTheirMiddle) {
  const std::string whole = "Read: 0123456789 Then: why Say:";
  for (std::int64_t length : {0, 31, 1000}) {
    const LongBenchPrompt prompt =
        truncated_prompt(template_, "0123456789", "why", *bytes_, length);
    EXPECT_EQ(prompt.text, whole);
    EXPECT_FALSE(prompt.truncated);
    EXPECT_EQ(prompt.text.substr(prompt.suffix), " Then: why Say:");
  }
  // Halves are rounded down; the suffix is whole as long as it fits in the second half.
  const LongBenchPrompt cut = truncated_prompt(template_, "0123456789", "why", *bytes_, 31 - 1);
  EXPECT_EQ(cut.text, whole.substr(0, 15) + whole.substr(16));
  EXPECT_TRUE(cut.truncated);
  EXPECT_EQ(cut.text.substr(cut.suffix), " Then: why Say:");
  const LongBenchPrompt odd = truncated_prompt(template_, "0123456789", "why", *bytes_, 29);
  EXPECT_EQ(odd.text, whole.substr(0, 14) + whole.substr(31 - 14));
  EXPECT_EQ(odd.text.substr(odd.suffix), "Then: why Say:") << "all that is left of it";
  const LongBenchPrompt short_one = truncated_prompt(template_, "0123456789", "why", *bytes_, 9);
  EXPECT_EQ(short_one.text, "ReadSay:");
  EXPECT_EQ(short_one.text.substr(short_one.suffix), "Say:");
}

// What is asked stays raw, where a short context leaves some of it in the first half, too.
TEST_F(LongBenchPrompts, OfALongQuestionBothHalvesAreSuffix) {
  const std::string question(40, 'q');
  const LongBenchPrompt prompt = truncated_prompt(template_, "ab", question, *bytes_, 40);
  EXPECT_EQ(prompt.text, "Read: ab Then: " + std::string(20, 'q') + " Say:");
  EXPECT_EQ(prompt.text.substr(prompt.suffix), prompt.text.substr(8));
}

// Nor is the context taken for a question that the tokenizer writes in another way.
TEST_F(LongBenchPrompts, ANormalisedSuffixIsFound) {
  data::TokenizerSpec spec = data::byte_spec();
  spec.nfc = true;
  const std::shared_ptr<const data::Tokenizer> composing = data::make_tokenizer(spec);
  const std::string context(100, 'c');
  const LongBenchPrompt prompt = truncated_prompt(template_, context, "cafe\u0301", *composing, 80);
  EXPECT_TRUE(prompt.truncated);
  EXPECT_EQ(prompt.text.substr(prompt.suffix), " Then: caf\u00e9 Say:");
  const LongBenchPrompt asked_long =
      truncated_prompt(template_, "e\u0301", std::string(100, 'q'), *composing, 80);
  EXPECT_EQ(asked_long.text.substr(0, asked_long.suffix), "Read: \u00e9");
}

TEST_F(LongBenchPrompts, CutInACharacterIsAReplacement) {
  const LongBenchPrompt prompt =
      truncated_prompt(template_, "\u4e2d\u6587\u4e2d\u6587\u4e2d\u6587", "", *bytes_, 40 - 4);
  EXPECT_EQ(prompt.text.find("\xef\xbf\xbd") != std::string::npos, prompt.truncated);
  EXPECT_EQ(data::find_invalid_utf8(prompt.text), std::string::npos);
}

TEST_F(LongBenchPrompts, InAChatTheTailOfTheTemplateIsSuffixToo) {
  const data::ChatTemplate chat(kChatMl, "", "<|im_end|>", "chat");
  LongBenchPrompt prompt = truncated_prompt(template_, "C", "I", *bytes_, 0);
  LongBenchPrompt asked = as_chat(prompt, chat);
  EXPECT_EQ(asked.text,
            "<|im_start|>user\nRead: C Then: I Say:<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(asked.text.substr(asked.suffix), " Then: I Say:<|im_end|>\n<|im_start|>assistant\n");
  // White space at the ends, which some templates trim.
  const PromptTemplate spaces("\n {context}\n", "t.json");
  prompt = truncated_prompt(spaces, "C", "", *bytes_, 0);
  asked = as_chat(prompt, chat);
  EXPECT_EQ(asked.text.substr(asked.suffix), "\n<|im_end|>\n<|im_start|>assistant\n");
}

std::string sha256(std::string_view text) {
  data::Sha256 sha;
  sha.update(text);
  return sha.hex_digest();
}

const char* environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

nlohmann::json read_json(const fs::path& file) {
  return nlohmann::json::parse(core::read_text_file(file));
}

// Against the official rendering: needs LongBench's configs, which are not ours to keep.
TEST_F(LongBenchPrompts, AreTheOfficialOnes) {
  const std::string config = environment("UNFOLD_LONGBENCH_CONFIG");
  if (config.empty()) GTEST_SKIP() << "UNFOLD_LONGBENCH_CONFIG names no folder of configs";
  const nlohmann::json golden =
      read_json(fs::path(UNFOLD_SOURCE_DIR) / "tests/golden/longbench_prompts.json");
  const auto context = golden["context"].get<std::string>();
  const auto input = golden["input"].get<std::string>();
  ASSERT_EQ(golden["sha256"].size(), longbench_facts().size());
  for (const LongBenchFacts& facts : longbench_facts()) {
    const LongBenchFormat format = read_longbench_format(config, facts.name);
    EXPECT_EQ(sha256(format.prompt.render(context, input).text),
              golden["sha256"][std::string(facts.name)].get<std::string>())
        << facts.name;
  }
}

// Whole prompts of real records with a real tokenizer, truncated and as chats:
// tests/golden/make_longbench_prompts.py makes the hashes.
TEST_F(LongBenchPrompts, OfRealRecords) {
  const std::string config = environment("UNFOLD_LONGBENCH_CONFIG");
  const std::string hashes = environment("UNFOLD_LONGBENCH_HASHES");
  if (config.empty() || hashes.empty()) GTEST_SKIP() << "UNFOLD_LONGBENCH_HASHES names no file";
  const fs::path records = environment("UNFOLD_LONGBENCH_RECORDS");
  const fs::path folder = environment("UNFOLD_LONGBENCH_TOKENIZER");
  const std::int64_t length = std::atoll(environment("UNFOLD_LONGBENCH_LENGTH"));
  const auto tokenizer = data::load_tokenizer((folder / "tokenizer.json").string());
  const auto chat = data::load_chat_template(folder, *tokenizer);
  const nlohmann::json golden = read_json(hashes);
  for (const auto& [name, expected] : golden.items()) {
    const LongBenchFormat format = read_longbench_format(config, name);
    BadRecords bad(OnBadRecord::stop);
    std::size_t at = 0;
    read_record_file(records / (name + ".jsonl"), 0, bad, [&](const JsonRecord& record) {
      LongBenchPrompt prompt = truncated_prompt(format.prompt, record.text("context"),
                                                record.text("input"), *tokenizer, length);
      if (chat && find_longbench_facts(name)->chat) prompt = as_chat(prompt, *chat);
      EXPECT_EQ(sha256(prompt.text), expected.at(at).get<std::string>()) << record.place();
      ++at;
    });
    EXPECT_EQ(at, expected.size()) << name;
  }
}

// Files as LongBench's, with texts of our own.
class LongBench : public testing::Test {
 protected:
  LongBench() : run_(make_tiny_run(folder_ / "run", {.seed = 3})) {
    nlohmann::json prompts, lengths;
    for (const LongBenchFacts& facts : longbench_facts()) {
      prompts[std::string(facts.name)] = "Read this. {context}\nNow: {input}\nSay:";
      lengths[std::string(facts.name)] = 5;
    }
    core::create_folder(folder_ / "config");
    core::create_folder(folder_ / "records");
    core::write_file_atomically(folder_ / "config/dataset2prompt.json", prompts.dump());
    core::write_file_atomically(folder_ / "config/dataset2maxlen.json", lengths.dump());
    settings_.gist = run_.description.gist;
    settings_.eval.longbench.records = (folder_ / "records").string();
    settings_.eval.longbench.config = (folder_ / "config").string();
    settings_.eval.tasks = {"longbench"};
  }

  static std::string record(const std::string& dataset, const std::string& context = "Some text.",
                            int length = 100) {
    nlohmann::json json = {{"input", "what?"},       {"context", context},    {"answers", {"Some"}},
                           {"length", length},       {"dataset", dataset},    {"language", "en"},
                           {"all_classes", nullptr}, {"_id", "id-" + context}};
    if (dataset == "trec" || dataset == "lsht") json["all_classes"] = {"Some", "Other"};
    if (dataset.starts_with("passage_")) json["answers"] = {"Paragraph 3"};
    if (dataset == "passage_retrieval_zh") json["answers"] = {"\u6bb5\u843d3"};
    return json.dump() + "\n";
  }
  void write(const std::string& name, const std::string& lines) const {
    core::write_file_atomically(folder_ / ("records/" + name + ".jsonl"), lines);
  }

  TempFolder folder_;
  LoadedRun run_;
  EvalSettings settings_;
};

TEST_F(LongBench, GistsTheTextBeforeTheSuffix) {
  write("hotpotqa", record("hotpotqa") + record("hotpotqa", "Other."));
  write("samsum", record("samsum"));
  core::write_file_atomically(folder_ / "run/chat_template.txt", kChatMl);
  const LongBenchTask task("longbench.hotpotqa", run_, settings_);
  ASSERT_EQ(task.samples(), 2);
  const GenerationSample sample = task.sample(0);
  ASSERT_EQ(sample.segments.size(), 1u);
  EXPECT_EQ(run_.tokenizer->decode(sample.segments[0], true),
            "<|im_start|>user\nRead this. Some text.");
  EXPECT_EQ(run_.tokenizer->decode(sample.suffix, true),
            "\nNow: what?\nSay:<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(sample.max_new_tokens, 5);
  EXPECT_EQ(sample.stop.min_new_tokens, 0);
  EXPECT_EQ(sample.stop.strings, std::vector<std::string>{"<|im_end|>"}) << "no token of its own";
  EXPECT_EQ(sample.id, "id-Some text.");
  EXPECT_EQ(sample.length, 100);
  // Few-shot: no chat; samsum ends at the line.
  const GenerationSample few = LongBenchTask("longbench.samsum", run_, settings_).sample(0);
  EXPECT_EQ(run_.tokenizer->decode(few.segments[0], true), "Read this. Some text.");
  EXPECT_EQ(few.stop.tokens, run_.tokenizer->encode("\n"));
  EXPECT_EQ(few.stop.min_new_tokens, 1);
  settings_.eval.longbench.chat = false;
  EXPECT_EQ(run_.tokenizer->decode(
                LongBenchTask("longbench.hotpotqa", run_, settings_).sample(0).segments[0], true),
            "Read this. Some text.");
}

TEST_F(LongBench, LongPromptsAreCutToWhatTheModelTakes) {
  write("qasper", record("qasper", std::string(500, 'a')) + record("qasper"));
  settings_.eval.max_length = 120;
  LongBenchTask task("longbench.qasper", run_, settings_);
  EXPECT_EQ(task.samples(), 2);
  EXPECT_EQ(task.sample(0).tags.at("truncated"), 1);
  EXPECT_EQ(task.sample(1).tags.at("truncated"), 0);
  EXPECT_LE(task.size(0), 120);
  EXPECT_GT(task.size(0), 90);
  settings_.eval.longbench.max_length = 40;
  EXPECT_EQ(LongBenchTask("longbench.qasper", run_, settings_).size(0), 45);
  settings_.eval.max_length = 12;
  settings_.eval.longbench.max_length = 0;
  EXPECT_NE(user_error([&] {
              LongBenchTask("longbench.qasper", run_, settings_);
            }).find("leave no room for a prompt"),
            std::string::npos);
}

TEST_F(LongBench, AllDatasetsAreMeasuredAndTheirMeanIsARow) {
  for (const LongBenchFacts& facts : longbench_facts()) {
    // These read jieba's dictionary, which need not be there.
    const std::string name(facts.name);
    if (name == "dureader" || name == "vcsum" || name.ends_with("zh")) continue;
    write(name, record(name) + record(name, "More text to read, and longer."));
  }
  settings_.eval.methods = {"full", "gsa"};
  const Results results = evaluate(run_, settings_, {"", "1"});
  ASSERT_EQ(results.rows.size(), 2u * 17 + 2);
  for (const char* method : {"full", "gsa"}) {
    double sum = 0;
    for (const ResultRow& row : results.rows) {
      if (row.method != method) continue;
      if (row.task != "longbench") {
        EXPECT_EQ(row.n, 2);
        sum += row.value;
        const fs::path file = run_.folder / "predictions" /
                              fmt::format("{}@{}", method, row.ratio) / (row.task + ".jsonl");
        EXPECT_EQ(read_predictions(file).size(), 2u);
        continue;
      }
      EXPECT_EQ(row.metric, "score");
      EXPECT_EQ(row.n, 34);
      EXPECT_NEAR(row.value, sum / 17, 1e-12);
      EXPECT_LE(row.low, row.value);
      EXPECT_GE(row.high, row.value);
    }
  }
}

TEST_F(LongBench, ERowsAreByLength) {
  write("lcc_e", record("lcc", "a", 10) + record("lcc_e", "bb", 5000) + record("lcc", "c", 9000));
  settings_.eval.tasks = {"longbench_e"};
  settings_.eval.methods = {"full"};
  const Results results = evaluate(run_, settings_, {"", "1"});
  std::vector<std::string> metrics;
  for (const ResultRow& row : results.rows) {
    EXPECT_EQ(row.task, "longbench_e.lcc");
    metrics.push_back(row.metric);
  }
  EXPECT_EQ(metrics, (std::vector<std::string>{"edit_similarity", "edit_similarity 0-4k",
                                               "edit_similarity 4-8k", "edit_similarity 8k+"}));
}

TEST_F(LongBench, BadRecordsNameFileAndLine) {
  const std::string good = record("hotpotqa");
  const auto without = [&](const char* member) {
    nlohmann::json json = nlohmann::json::parse(good);
    json.erase(member);
    return json.dump();
  };
  const auto with = [&](const char* member, const nlohmann::json& value) {
    nlohmann::json json = nlohmann::json::parse(good);
    json[member] = value;
    return json.dump();
  };
  const std::vector<std::pair<std::string, std::string>> bad = {
      {without("context"), "\"context\" is missing"},
      {without("input"), "\"input\" is missing"},
      {without("answers"), "\"answers\" is missing"},
      {without("length"), "\"length\" is missing"},
      {with("context", ""), "\"context\" is empty"},
      {with("context", 3), "\"context\" is a number, not text"},
      {with("answers", "x"), "\"answers\" is text, not a list"},
      {with("answers", nlohmann::json::array()), "\"answers\" is empty"},
      {with("length", "x"), "\"length\" is text, not an integer"},
      {with("dataset", "hotpot"), "unknown dataset \"hotpot\""},
      {with("dataset", "musique"), "in the file of hotpotqa"},
      {with("all_classes", 3), "\"all_classes\""},
      {good.substr(0, 20), "not valid JSON"}};
  for (const auto& [line, part] : bad) {
    write("hotpotqa", good + line + "\n");
    settings_.eval.on_bad_record = OnBadRecord::stop;
    const std::string error =
        user_error([&] { LongBenchTask("longbench.hotpotqa", run_, settings_); });
    EXPECT_NE(error.find("hotpotqa.jsonl:2: "), std::string::npos) << error;
    EXPECT_NE(error.find(part), std::string::npos) << error;
    settings_.eval.on_bad_record = OnBadRecord::skip;
    const LongBenchTask task("longbench.hotpotqa", run_, settings_);
    EXPECT_EQ(task.samples(), 1);
    EXPECT_EQ(task.skipped(), 1);
  }
  settings_.eval.methods = {"full"};
  const Results results = evaluate(run_, settings_, {"", "1"});
  EXPECT_EQ(results.rows.at(0).skipped, 1);
  EXPECT_EQ(read_results(run_.folder / "results.json").rows.at(0).skipped, 1);
}

TEST_F(LongBench, MissingFilesAreErrors) {
  const auto error_of = [&](const std::string& name) {
    return user_error([&] { LongBenchTask(name, run_, settings_); });
  };
  EXPECT_NE(error_of("longbench.hotpot").find("choose one of narrativeqa"), std::string::npos);
  EXPECT_NE(error_of("longbench_e.musique").find("choose one of qasper"), std::string::npos);
  EXPECT_NE(error_of("longbench.musique").find("musique.jsonl"), std::string::npos);
  EXPECT_NE(user_error([&] { longbench_tasks("longbench", settings_); }).find("has none of"),
            std::string::npos);
  write("qmsum", record("qmsum"));
  EXPECT_EQ(longbench_tasks("longbench", settings_), std::vector<std::string>{"longbench.qmsum"});
  fs::remove(folder_ / "config/dataset2maxlen.json");
  EXPECT_NE(error_of("longbench.qmsum").find("dataset2maxlen.json: no such file"),
            std::string::npos);
  core::write_file_atomically(folder_ / "config/dataset2maxlen.json", R"({"qmsum": 0})");
  EXPECT_NE(error_of("longbench.qmsum").find("1 token or more"), std::string::npos);
  settings_.eval.longbench.config = "";
  EXPECT_NE(error_of("longbench.qmsum").find("eval.longbench.config"), std::string::npos);
  settings_.eval.longbench.records = "";
  EXPECT_NE(error_of("longbench.qmsum").find("eval.longbench.records"), std::string::npos);
}

}  // namespace
}  // namespace unfold::eval
