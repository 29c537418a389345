// Bad input: one line on standard error that names the place, exit code 2, and not a file changed
// or left behind.
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/cli/train_files.h"

namespace unfold::cli {
namespace {

namespace fs = std::filesystem;

class BadInput : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    files_ = new TrainFiles("bad_input");
    const ProgramResult result = files_->run_train("good", {"train.steps=4"});
    ASSERT_EQ(result.code, 0) << result.err;
    write_bpe_tokenizer();
  }
  static void TearDownTestSuite() {
    delete files_;
    files_ = nullptr;
  }
  static void write_bpe_tokenizer() {
    const ProgramResult result =
        run_unfold(fmt::format("data train-tokenizer '{}' --vocab-size 300 --out '{}'",
                               file("text.txt"), file("bpe.json")));
    ASSERT_EQ(result.code, 0) << result.err;
  }
  static std::string file(const std::string& name) { return files_->path(name).string(); }

  // The result is the expected refusal: all parts occur in the one line.
  static void expect_refusal(const ProgramResult& result, const std::vector<std::string>& parts,
                             const TrainFiles::Tree& before) {
    EXPECT_EQ(result.code, 2) << result.err;
    EXPECT_EQ(result.out, "");
    EXPECT_TRUE(result.err_is_one_line()) << result.err;
    for (const std::string& part : parts) {
      EXPECT_NE(result.err.find(part), std::string::npos) << part << "\nnot in " << result.err;
    }
    EXPECT_EQ(TrainFiles::changes(before, files_->tree()), std::vector<std::string>{});
  }
  static void refuse_train(const std::vector<std::string>& sets,
                           const std::vector<std::string>& parts, const std::string& run = "new") {
    SCOPED_TRACE(fmt::format("{}", sets.empty() ? "" : sets.back()));
    const TrainFiles::Tree before = files_->tree();
    expect_refusal(files_->run_train(run, sets), parts, before);
  }
  static void refuse(const std::string& arguments, const std::vector<std::string>& parts) {
    SCOPED_TRACE(arguments);
    const TrainFiles::Tree before = files_->tree();
    expect_refusal(run_unfold(arguments), parts, before);
  }
  // A config file of that text.
  static void refuse_config(const std::string& text, const std::vector<std::string>& parts) {
    const std::string config = files_->write("bad.yaml", text);
    refuse(fmt::format("train '{}' --set run.dir='{}'", config, file("new")), parts);
    fs::remove(config);
  }

  static inline TrainFiles* files_ = nullptr;
};

TEST_F(BadInput, Config) {
  const std::string place = file("bad.yaml");
  refuse_config("train:\n  stps: 3\n",
                {place + ":2", "unknown key 'train.stps'", "did you mean 'train.steps'?"});
  refuse_config("train: {steps: many}\n", {place + ":1", "train.steps"});
  refuse_config("train: {steps: 2.5}\n", {place + ":1", "train.steps"});
  refuse_config("train: [1, 2]\n", {place + ":1", "train"});
  refuse_config("run: {seed: 1}\ntrain:\n  rows: 0\n", {place + ":3", "train.rows"});
  refuse_config("optimizer: {lr: -1}\n", {place + ":1", "optimizer.lr"});
  refuse_config("gist:\n  chunks: [100]\ntrain:\n  row_length: 64\n",
                {place + ":2", "100", "train.row_length = 64"});
  refuse_config("train: {rows: 6, micro_rows: 4}\n", {place + ":1", "train.micro_rows"});
  refuse_config("train: {rows: 6\n", {place, "not valid YAML"});
  refuse_config(std::string("run: {dir: \"a\xff\"}\n"), {place});
  refuse_config("", {place, "empty config"});
  refuse_config("run: {seed: 1}\n", {"data.train is empty"});
  refuse("train '" + file("none.yaml") + "'", {file("none.yaml"), "No such file"});
  refuse("train '" + file("data") + "'", {file("data"), "is a folder"});
}

TEST_F(BadInput, SetOnTheCommandLine) {
  refuse_train({"train.stps=3"}, {"--set train.stps=3", "did you mean 'train.steps'?"});
  refuse_train({"train.steps=x"}, {"--set train.steps=x"});
  refuse_train({"train.steps=0"}, {"--set train.steps=0"});
  refuse_train({"train.steps"}, {"--set train.steps"});
  refuse_train({"gist.chunks=[97]"}, {"--set gist.chunks=[97]", "train.row_length = 96"});
}

TEST_F(BadInput, DevicesThatAreNotThere) {
  refuse_train({"run.device=gpu"}, {"unknown device 'gpu'", "cuda:N"});
  refuse_train({"run.device=cuda:99"}, {"cuda:99 cannot be used", "run.device=cpu"});
}

TEST_F(BadInput, DataThatIsNotThere) {
  refuse_train({"data.train=[]"}, {"data.train is empty"});
  refuse_train({"data.train=[" + file("none") + "]"}, {file("none"), "no such file or folder"});
  refuse_train({"data.val=[" + file("none") + "]"}, {file("none"), "no such file or folder"});
  fs::create_directories(file("empty"));
  refuse_train({"data.train=[" + file("empty") + "]"}, {file("empty")});
  refuse_train({"data.train=[" + file("text.txt") + "]"}, {file("text.txt")});
}

TEST_F(BadInput, DamagedShards) {
  const std::string good = files_->read("data/shard-00000.h5");
  fs::create_directories(file("damaged"));
  const std::string shard = file("damaged/shard-00000.h5");
  for (const std::size_t length :
       {std::size_t{0}, std::size_t{1}, std::size_t{500}, good.size() / 2, good.size() - 1}) {
    files_->write("damaged/shard-00000.h5", good.substr(0, length));
    refuse_train({"data.train=[" + file("damaged") + "]"}, {shard});
    refuse_train({"data.val=[" + file("damaged") + "]"}, {shard});
  }
  files_->write("damaged/shard-00000.h5", "this is no shard\n");
  refuse_train({"data.train=[" + shard + "]"}, {shard});
}

TEST_F(BadInput, Tokenizers) {
  refuse_train({"data.tokenizer=" + file("none.json")}, {file("none.json"), "no such file"});
  fs::create_directories(file("empty"));
  refuse_train({"data.tokenizer=" + file("empty")}, {file("empty")});
  refuse_train({"data.tokenizer=" + file("text.txt")}, {file("text.txt")});
  files_->write("broken.json", files_->read("bpe.json").substr(0, 500));
  refuse_train({"data.tokenizer=" + file("broken.json")}, {file("broken.json")});
  // The shards are of the byte tokenizer.
  refuse_train({"data.tokenizer=" + file("bpe.json")},
               {file("data/shard-00000.h5"), "another tokenizer"});
  refuse_train({"model.vocab_size=200"},
               {"model.vocab_size is 200", "the tokenizer byte has 257 entries"});
}

TEST_F(BadInput, RunFolders) {
  refuse_train({}, {file("good"), "exists already", "--resume"}, "good");
  refuse_train({}, {file("data"), "exists already"}, "data");
  refuse_train({}, {file("text.txt"), "not a folder"}, "text.txt");
  refuse_train({}, {file("text.txt/run")}, "text.txt/run");
  refuse_train({"--resume"}, {file("new"), "no run to resume there"});
  refuse_train({"--resume"}, {file("data"), "no run to resume there"}, "data");
  refuse_train({"--resume"}, {file("text.txt"), "no run to resume there"}, "text.txt");
  refuse_train({"run.dir="}, {"run.dir"});
}

TEST_F(BadInput, UnwritableRunFolder) {
  if (::geteuid() == 0) {
    if (!fs::is_directory("/proc/self")) GTEST_SKIP() << "root may write anywhere";
    refuse_train({"run.dir=/proc/unfold/run"}, {"/proc/unfold"});
    return;
  }
  fs::create_directories(file("locked"));
  fs::permissions(file("locked"), fs::perms::owner_read | fs::perms::owner_exec);
  refuse_train({}, {file("locked/run"), "no permission"}, "locked/run");
  fs::permissions(file("locked"), fs::perms::owner_all);
}

TEST_F(BadInput, FullDiskAtTheStart) {
  const TrainFiles::Tree before = files_->tree();
  const ProgramResult result = files_->run_train("a/b/new", {}, "trap '' XFSZ; ulimit -f 0;");
  // Its own output files are under the limit, too: there is no line to read.
  EXPECT_EQ(result.code, 2);
  EXPECT_EQ(TrainFiles::changes(before, files_->tree()), std::vector<std::string>{});
}

TEST_F(BadInput, CheckpointsOfAnotherArchitecture) {
  const std::string from = "train.init_from=" + file("good");
  const std::string model = file("good/checkpoints/step-4/model.h5");
  refuse_train({from, "model.width=16"}, {model, "model.width is 32 there, 16 here"});
  refuse_train({from, "model.layers=3"}, {model, "model.layers is 2 there, 3 here"});
  refuse_train({from, "model.tied_embeddings=false"}, {model, "model.tied_embeddings"});
  refuse_train({"train.init_from=" + file("data")}, {file("data"), "no checkpoint there"});
  refuse_train({"train.init_from=" + file("none")}, {file("none"), "no checkpoint there"});
  // A run whose config says otherwise than its checkpoint.
  fs::copy(file("good"), file("edited"), fs::copy_options::recursive);
  std::string config = files_->read("edited/config.yaml");
  const std::size_t at = config.find("layers: 2");
  ASSERT_NE(at, std::string::npos);
  files_->write("edited/config.yaml", config.replace(at, 9, "layers: 1"));
  refuse_train({"model.layers=1", "train.steps=4", "run.dir=" + file("edited"), "--resume",
                "train.log_every=10"},
               {file("edited/checkpoints/step-4/model.h5"), "model.layers is 2 there, 1 here"},
               "edited");
}

TEST_F(BadInput, TextFiles) {
  const std::string out = " --out '" + file("shards") + "'";
  const std::string empty = files_->write("empty.txt", "");
  const std::string latin = files_->write("latin.txt", "caf\xe9 au lait");
  const std::string json = files_->write("bad.jsonl", "{\"text\": \"good\"}\n{\"txt\": 1}\n");
  for (const char* command : {"tokenize", "train-tokenizer"}) {
    const std::string data = fmt::format("data {} ", command);
    refuse(data + "'" + empty + "'" + out, {empty});
    refuse(data + "'" + latin + "'" + out, {latin, "3"});
    refuse(data + "'" + json + "'" + out, {json + ":2"});
    refuse(data + "'" + file("none.txt") + "'" + out, {file("none.txt")});
    refuse(data + "'" + file("config.yaml") + "'" + out, {file("config.yaml")});
    refuse(data + "'" + latin + "' --invalid-utf8 guess" + out, {"--invalid-utf8"});
  }
  const ProgramResult replaced =
      run_unfold("data tokenize '" + latin + "' --invalid-utf8 replace" + out);
  EXPECT_EQ(replaced.code, 0) << replaced.err;
  EXPECT_TRUE(fs::exists(file("shards/shard-00000.h5")));
  EXPECT_EQ(
      files_->run_train("replaced", {"data.train=[" + file("shards") + "]", "train.steps=4"}).code,
      0);
}

TEST_F(BadInput, Records) {
  const std::string good = "{\"context\": \"c\", \"question\": \"q\", \"answer\": \"a\"}\n";
  const std::string records = file("records.jsonl");
  const auto refuse_line = [&](const std::string& line, const std::string& part) {
    files_->write("records.jsonl", good + good + line);
    refuse_train({"data.format=sft", "data.train=[" + records + "]", "data.val=[]"},
                 {records + ":3: ", part});
  };
  refuse_line("{\"context\": \"c\"", "not valid JSON");
  refuse_line("{\"context\": \"\xff\"}", "invalid UTF-8");
  refuse_line("{\"question\": \"q\", \"answer\": \"a\"}", "no context");
  refuse_line("{\"context\": \"c\", \"question\": \"q\"}", "\"answer\" is missing");
  refuse_line("{\"context\": \"c\", \"question\": \"q\", \"answer\": \"\"}", "is empty");
  refuse_line("{\"context\": \"c\", \"question\": 1, \"answer\": \"a\"}", "is a number");
  refuse_line("{\"context\": \"c\", \"qestion\": \"q\", \"answer\": \"a\"}", "\"qestion\"");
  const std::string longer =
      "{\"context\": \"" + std::string(120, 'c') + "\", \"question\": \"q\", \"answer\": \"a\"}\n";
  refuse_line(longer, "a row has 96");
  const ProgramResult skipped =
      files_->run_train("skipped", {"data.format=sft", "data.on_long=skip", "train.steps=4",
                                    "data.train=[" + records + "]", "data.val=[" + records + "]"});
  EXPECT_EQ(skipped.code, 0) << skipped.err;
  EXPECT_NE(skipped.err.find("1 of 3 records"), std::string::npos) << skipped.err;

  refuse_train({"data.format=sft"}, {file("data"), "no .jsonl file in this folder"});
  refuse_train({"data.format=sft", "data.train=[" + file("text.txt") + "]", "data.val=[]"},
               {file("text.txt"), "unknown kind of file: give .jsonl"});
  refuse_train({"data.train=[" + records + "]"}, {records});
  refuse_train({"data.format=chat"}, {"--set data.format=chat", "text, sft"});
}

TEST_F(BadInput, DataCommandsDoNotOverwrite) {
  refuse("data tokenize '" + file("text.txt") + "' --out '" + file("data") + "'",
         {file("data"), "shards already"});
  refuse("data tokenize '" + file("text.txt") + "' --out '" + file("text.txt") + "'",
         {file("text.txt")});
  refuse("data tokenize '" + file("text.txt") + "' --tokenizer '" + file("none.json") +
             "' --out '" + file("new") + "'",
         {file("none.json")});
  refuse("data train-tokenizer '" + file("text.txt") + "' --out '" + file("bpe.json") + "'",
         {file("bpe.json"), "exists already"});
  refuse("data train-tokenizer '" + file("text.txt") + "' --vocab-size 5 --out '" +
             file("small.json") + "'",
         {"5"});
  const std::string made = files_->write("made.jsonl", "mine\n");
  refuse("data synthesize --count 2 --context 300 --out '" + made + "'", {made, "exists already"});
  refuse("data synthesize --task riddle --out '" + file("new/riddle.jsonl") + "'",
         {"riddle", "recall, passkey or multikey"});
  refuse("data synthesize --curriculum 0.6 --out '" + file("facts.jsonl") + "'", {"curriculum"});
  refuse("data synthesize --keys 500 --out '" + file("facts.jsonl") + "'", {"500 different keys"});
  refuse("data synthesize --format xml --out '" + file("facts.jsonl") + "'", {"--format"});
  refuse("data synthesize --facts -1 --out '" + file("facts.jsonl") + "'", {"-1 facts"});
  const ProgramResult overwritten =
      run_unfold("data synthesize --count 2 --context 300 --overwrite --out '" + made + "'");
  EXPECT_EQ(overwritten.code, 0) << overwritten.err;
  EXPECT_NE(files_->read("made.jsonl"), "mine\n");
}

TEST_F(BadInput, LossThatIsNotFinite) {
  const ProgramResult result =
      files_->run_train("wild", {"optimizer.lr=1e30", "optimizer.clip=0", "schedule.warmup=0",
                                 "train.val_every=0", "checkpoint.every=1"});
  EXPECT_EQ(result.code, 2);
  EXPECT_EQ(result.out, "");
  EXPECT_NE(result.err.find(file("wild") + ": step 2: the "), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("stopped before the update (step 1 is saved)"), std::string::npos)
      << result.err;
  EXPECT_EQ(files_->checkpoints("wild"), std::vector<int>{1});
  EXPECT_EQ(files_->metrics("wild").size(), 1u);
}

}  // namespace
}  // namespace unfold::cli
