#include "eval/rag/rag_task.h"

#include <gtest/gtest.h>

#include "core/file.h"
#include "data/records/record.h"
#include "eval/rag/rag_prompt.h"
#include "eval/rag/rag_record.h"
#include "tests/eval/tiny_run.h"
#include "tests/support/temp_folder.h"

namespace unfold::eval {
namespace {

using test::user_error;

constexpr const char* kGood =
    R"({"id": "q1", "question": "Who?", "answers": ["Ann", "Ann B."], "documents": )"
    R"([{"title": "T", "text": "x."}, {"text": "Ann did."}, {"title": "U", "text": "z."}], )"
    R"("gold_titles": ["U"], "more": 1})";
constexpr const char* kCtxs =
    R"({"question": "When?", "answers": ["now"], "ctxs": [{"title": "A", "text": "b", )"
    R"("isgold": false}, {"title": "C", "text": "now", "isgold": true, "hasanswer": true}]})";

RagRecord parse(const std::string& line) {
  return parse_rag_record(JsonRecord(line, "f.jsonl:7"));
}

TEST(RagRecord, DocumentsOfBothKindsAndTheirGold) {
  const RagRecord good = parse(kGood);
  EXPECT_EQ(good.id, "q1");
  EXPECT_EQ(good.answers, (std::vector<std::string>{"Ann", "Ann B."}));
  ASSERT_EQ(good.documents.size(), 3u);
  EXPECT_EQ(good.gold(), 2);
  RagRecord ctxs = parse(kCtxs);
  EXPECT_EQ(ctxs.gold(), 1);
  ctxs.move_gold(0);
  EXPECT_EQ(ctxs.documents[0].text, "now");
  EXPECT_EQ(ctxs.gold(), 0);
  ctxs.move_gold(9);  // clipped
  EXPECT_EQ(ctxs.gold(), 1);
  RagRecord three = good;
  three.move_gold(1);
  EXPECT_EQ(three.documents[0].text, "x.");
  EXPECT_EQ(three.documents[1].text, "z.");
  EXPECT_EQ(three.documents[2].text, "Ann did.");
}

TEST(RagRecord, BadOnesNameFileLineAndMember) {
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"{", "not valid JSON"},
      {"[1]", "a list, not an object"},
      {R"({"answers": ["a"], "documents": [{"text": "x"}]})", "\"question\" is missing"},
      {R"({"question": 3, "answers": ["a"], "documents": [{"text": "x"}]})", "a number, not text"},
      {R"({"question": " ", "answers": ["a"], "documents": [{"text": "x"}]})",
       "\"question\" is empty"},
      {R"({"question": "q", "documents": [{"text": "x"}]})", "\"answers\" is missing"},
      {R"({"question": "q", "answers": [], "documents": [{"text": "x"}]})", "\"answers\" is empty"},
      {R"({"question": "q", "answers": [""], "documents": [{"text": "x"}]})", "answer is empty"},
      {R"({"question": "q", "answers": "a", "documents": [{"text": "x"}]})",
       "text, not a list of texts"},
      {R"({"question": "q", "answers": ["a"]})", "no context"},
      {R"({"question": "q", "answers": ["a"], "documents": []})", "list of documents is empty"},
      {R"({"question": "q", "answers": ["a"], "documents": ["x"]})", "not a list of objects"},
      {R"({"question": "q", "answers": ["a"], "documents": [{"text": ""}]})",
       "\"documents\" entry 1: \"text\" is empty"},
      {R"({"question": "q", "answers": ["a"], "documents": [{"text": "x"}], "ctxs": []})",
       "both \"documents\" and \"ctxs\""}};
  for (const auto& [line, part] : bad) {
    const std::string error = user_error([&, text = line] { parse(text); });
    EXPECT_EQ(error.rfind("[eval] f.jsonl:7: ", 0), 0u) << error;
    EXPECT_NE(error.find(part), std::string::npos) << error << "\n" << line;
  }
}

TEST(RagRecord, GeneratedOnesHoldTheirAnswerOnceAtItsPlace) {
  for (std::int64_t i = 0; i < 20; ++i) {
    const RagRecord record = generate_rag_record(5, i, 6, i);
    EXPECT_EQ(record.documents.size(), 6u);
    EXPECT_EQ(record.gold(), std::min<std::int64_t>(i, 5));
    std::int64_t holding = 0;
    for (const RagDocument& document : record.documents) {
      holding += document.text.find(record.answers[0]) != std::string::npos ? 1 : 0;
    }
    EXPECT_EQ(holding, 1);
  }
}

class Rag : public testing::Test {
 protected:
  Rag() : run_(make_tiny_run(folder_ / "run")) {
    core::write_file_atomically(folder_ / "some.jsonl", std::string(kGood) + "\n" + kCtxs + "\n");
    settings_.gist = run_.description.gist;
    settings_.eval.rag.records = {(folder_ / "some.jsonl").string()};
    settings_.eval.rag.max_new_tokens = 6;
  }
  std::string text(std::span<const data::TokenId> tokens) const {
    return run_.tokenizer->decode(tokens, true);
  }

  test::TempFolder folder_;
  LoadedRun run_;
  EvalSettings settings_;
};

// A record of training with the same documents and question gives the same tokens.
TEST_F(Rag, PromptsAreRecordsOfTraining) {
  settings_.eval.rag.system = "Be brief.\n";
  settings_.eval.rag.question = "\nQuestion: {question}\nAnswer:";
  const RagTask task("rag.some", run_, settings_);
  ASSERT_EQ(task.samples(), 2);
  const GenerationSample sample = task.sample(0);
  const data::Record record =
      data::parse_record(R"({"system": "Be brief.\n", "documents": [{"title": "T", "text": "x."}, )"
                         R"({"text": "Ann did."}, {"title": "U", "text": "z."}], )"
                         R"("question": "\nQuestion: Who?\nAnswer:", "answer": "Ann"})",
                         "x:1");
  EXPECT_EQ(text(sample.system), record.segments[0]);
  ASSERT_EQ(sample.segments.size() + 1, record.segments.size());
  for (std::size_t i = 0; i < sample.segments.size(); ++i) {
    EXPECT_EQ(text(sample.segments[i]), record.segments[i + 1]);
  }
  EXPECT_EQ(text(sample.suffix), record.questions[0].question);
  EXPECT_EQ(sample.tags.at("gold"), 2);
  EXPECT_EQ(sample.tags.at("documents"), 3);
  EXPECT_EQ(sample.max_new_tokens, 6);
  EXPECT_EQ(sample.id, "q1");
}

TEST_F(Rag, AsksEveryQuestionWithTheGoldDocumentAtEveryPlace) {
  settings_.eval.rag.gold_at = {0, 1};
  const RagTask task("rag.some", run_, settings_);
  ASSERT_EQ(task.samples(), 4);
  EXPECT_EQ(text(task.sample(0).segments[0]), "Document [1](Title: U) z.\n");
  EXPECT_EQ(task.sample(1).tags.at("gold"), 1);
  EXPECT_EQ(text(task.sample(1).segments[1]), "Document [2](Title: U) z.\n");
  EXPECT_EQ(text(task.sample(2).segments[0]), "Document [1](Title: C) now\n");
}

TEST_F(Rag, InAChatTemplateAllIsTheUsersMessage) {
  settings_.eval.rag.chat = true;
  settings_.eval.rag.system = "Hi. ";
  EXPECT_NE(user_error([&] { RagTask("rag.some", run_, settings_); }).find("no chat template"),
            std::string::npos);
  core::write_file_atomically(
      folder_ / "run/chat_template.txt",
      "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + "
      "message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}"
      "{{ '<|im_start|>assistant\n' }}{% endif %}");
  const GenerationSample sample = RagTask("rag.some", run_, settings_).sample(1);
  std::string all = text(sample.system);
  for (const auto& segment : sample.segments) all += text(segment);
  EXPECT_EQ(text(sample.suffix), "Question: When?\nAnswer:<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(all + text(sample.suffix),
            "<|im_start|>user\nHi. Document [1](Title: A) b\nDocument [2](Title: C) now\n"
            "Question: When?\nAnswer:<|im_end|>\n<|im_start|>assistant\n");
}

TEST_F(Rag, MeasuresEveryMethodAndKeepsPredictions) {
  const RagTask task("rag.some", run_, settings_);
  for (const std::string& name : method_names()) {
    const Method method = method_from_name(name, 8);
    std::vector<Prediction> predictions(2);
    const std::vector<std::int64_t> both = {0, 1};
    task.predict(run_, method, both, [&](Prediction one) {
      predictions.at(static_cast<std::size_t>(one.index)) = std::move(one);
    });
    for (const Prediction& one : predictions) {
      ASSERT_EQ(one.scores.size(), 3u) << name;
      EXPECT_EQ(one.scores[0].metric, "subspan_em");
      EXPECT_GT(one.prompt_tokens, 20);
      EXPECT_GE(one.new_tokens, 1);
      EXPECT_LE(one.new_tokens, 6);
      EXPECT_EQ(one.attended > 0, one.new_tokens > 1) << name;
      const bool picks = method.gists && !method.visibility;
      EXPECT_EQ(one.unfolded.empty(), !picks) << name;
      for (const UnfoldedChunk& chunk : one.unfolded) {
        EXPECT_GT(chunk.share, 0);
        EXPECT_LE(chunk.share, 1);
      }
    }
    const std::vector<ResultRow> rows = task.rows(predictions);
    ASSERT_EQ(rows.size(), 3u);
    EXPECT_EQ(rows[0].task, "rag.some");
    EXPECT_EQ(rows[0].n, 2);
    EXPECT_GT(rows[0].samples_per_second, 0);
  }
}

TEST_F(Rag, WithLinksDocumentsAreReused) {
  const gsa::GistConfig gist = {.chunks = {4}, .sinks = 2, .previous_chunks = 1, .links = 3};
  LoadedRun run = make_tiny_run(folder_ / "linked", {.gist = gist});
  settings_.gist = gist;
  const RagTask task("rag.some", run, settings_);
  const std::vector<std::int64_t> both = {0, 1};
  std::int64_t done = 0;
  task.predict(run, method_from_name("gsa"), both, [&](const Prediction& one) {
    ++done;
    EXPECT_GT(one.prompt_tokens, 3 * 2);
  });
  EXPECT_EQ(done, 2);
}

TEST_F(Rag, BadRecordsStopOrAreCounted) {
  const std::string file = (folder_ / "bad.jsonl").string();
  core::write_file_atomically(file, std::string(kGood) + "\n{\"question\": 3}\n" + kCtxs + "\n");
  settings_.eval.rag.records = {file};
  EXPECT_NE(user_error([&] { RagTask("rag.bad", run_, settings_); }).find(file + ":2: "),
            std::string::npos);
  settings_.eval.on_bad_record = OnBadRecord::skip;
  const RagTask task("rag.bad", run_, settings_);
  EXPECT_EQ(task.samples(), 2);
  EXPECT_EQ(task.skipped(), 1);
  // Too long for the model.
  settings_.eval.max_length = 100;
  settings_.eval.on_bad_record = OnBadRecord::stop;
  settings_.eval.rag.records = {(folder_ / "some.jsonl").string()};
  EXPECT_NE(
      user_error([&] { RagTask("rag.some", run_, settings_); }).find("some.jsonl:1: a prompt"),
      std::string::npos);
  settings_.eval.on_bad_record = OnBadRecord::skip;
  const RagTask shorter("rag.some", run_, settings_);
  EXPECT_EQ(shorter.samples(), 1);
  EXPECT_EQ(shorter.skipped(), 1);
  settings_.eval.max_length = 20;
  EXPECT_NE(user_error([&] { RagTask("rag.some", run_, settings_); }).find("no usable record"),
            std::string::npos);
}

TEST_F(Rag, TasksAreNamedByTheirFiles) {
  EXPECT_EQ(rag_tasks(settings_), std::vector<std::string>{"rag.some"});
  EXPECT_NE(
      user_error([&] { RagTask("rag.other", run_, settings_); }).find("choose one of rag.some"),
      std::string::npos);
  settings_.eval.rag.records.clear();
  EXPECT_EQ(rag_tasks(settings_), std::vector<std::string>{"rag.invented"});
  EXPECT_NE(user_error([&] { RagTask("rag.some", run_, settings_); }).find("records is empty"),
            std::string::npos);
  settings_.eval.samples = 3;
  settings_.eval.rag.documents = 4;
  const RagTask task("rag.invented", run_, settings_);
  EXPECT_EQ(task.samples(), 3);
  EXPECT_EQ(task.sample(2).tags.at("gold"), 2);
  EXPECT_EQ(task.sample(2).segments.size(), 4u);
}

}  // namespace
}  // namespace unfold::eval
