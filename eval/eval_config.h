// What `unfold eval` runs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace unfold::eval {

// A record that cannot be used: stop the evaluation, or leave it out and count it.
enum class OnBadRecord : std::uint8_t { stop, skip };

// LongBench (eval/longbench/longbench_task.h).
struct LongBenchConfig {
  std::string records;  // folder of TASK.jsonl and TASK_e.jsonl, as published
  std::string config;   // folder of dataset2prompt.json and dataset2maxlen.json, as published
  // Longest prompt in tokens, before the chat template; the middle of longer ones is cut out. 0:
  // what eval.max_length leaves.
  std::int64_t max_length = 0;
  bool chat = true;  // use the chat template of the run, where it has one
};

// Questions on documents (eval/rag/rag_task.h).
struct RagConfig {
  std::vector<std::string> records;   // JSONL files and folders of them; empty: generated
  std::vector<std::int64_t> gold_at;  // where the gold document stands; empty: where it is
  std::string system;                 // in front of the documents
  // Behind the documents.
  std::string question = "Question: {question}\nAnswer:";
  bool chat = false;  // all of it is a message of the user, in the chat template of the run
  std::int64_t max_new_tokens = 200;
  std::vector<std::string> stop;  // texts that end an answer
  std::int64_t documents = 10;    // a generated question has
};

// Generated probes of long context (eval/probes/probe.h).
struct ProbesConfig {
  std::vector<std::int64_t> lengths = {1024, 2048, 4096};  // tokens of context
  std::int64_t depths = 20;                                // places of what is asked for
  std::int64_t samples = 1;                                // a length and depth
  std::int64_t keys = 4;                                   // multikey
  std::int64_t values = 4;                                 // multivalue
  std::int64_t queries = 4;                                // multiquery
  std::int64_t chains = 1;                                 // variable_tracking
  std::int64_t hops = 4;                                   // variable_tracking
  bool chat = false;                                       // in the chat template of the run
};

// perplexity_by_context (eval/tasks/perplexity_by_context.h).
struct ByContextConfig {
  std::vector<std::int64_t> lengths = {256, 512, 1024, 2048};  // tokens in front of the targets
  std::int64_t targets = 128;
  std::int64_t windows = 32;
};

struct EvalConfig {
  // Names of eval/tasks/task.h.
  std::vector<std::string> tasks = {"perplexity"};
  // Of gsa/policies/policy.h.
  std::vector<std::string> methods = {"full", "gist_only"};
  // For methods that choose what they read: they attend to 1 / ratio of the context; 0: the rho of
  // the gists. The others are measured once.
  std::vector<double> ratios = {0};
  std::int64_t rows = 32;      // rows of data.val for perplexity
  std::int64_t samples = 200;  // samples a generated task
  std::int64_t context = 512;  // raw context tokens of a generated sample
  std::int64_t limit = 0;      // records of a task of records; 0: all
  // Longest prompt with its answer, in raw tokens; 0: model.max_positions, or none where that is 0.
  std::int64_t max_length = 0;
  OnBadRecord on_bad_record = OnBadRecord::stop;
  std::int64_t batch_positions = 0;  // evaluated together; 0: by the device
  bool resume = true;                // go on with the predictions of an earlier evaluation
  std::int64_t unfolded = 8;         // samples a task for which is kept what was unfolded
  // Folder of jieba's files, for LongBench in Chinese; empty: where load_chinese_words() looks.
  std::string jieba;
  LongBenchConfig longbench = {};
  RagConfig rag = {};
  ProbesConfig probes = {};
  std::string lambada;  // file of records
  ByContextConfig by_context = {};
};

}  // namespace unfold::eval
