#include "train/run_files.h"

#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "data/tokenizer/tokenizer.h"

namespace unfold::train {

namespace fs = std::filesystem;

RunFiles::RunFiles(const TrainerConfig& config, bool resume)
    : config_(config), run_(config.run.dir) {
  resume ? require_run_folder(config) : require_free_run_folder(config);
  if (resume) lock_.emplace(run_);
}

void RunFiles::start(const data::Tokenizer& tokenizer) {
  new_folder_.emplace(config_, tokenizer);
  lock_.emplace(run_);
  log_.emplace(MetricsLog::create(run_ / "metrics.jsonl"));
  board_.emplace(run_);
  board_->text("config", 0, config_.resolved_yaml);
}

namespace {

bool holds(const fs::path& file, const data::Tokenizer& tokenizer) {
  try {
    return data::load_tokenizer(file.string())->fingerprint() == tokenizer.fingerprint();
  } catch (const core::UserError&) {
    return false;
  }
}

// What others need to use the run; this training takes its own from data.tokenizer.
void mend_tokenizer(const fs::path& file, const data::Tokenizer& tokenizer) {
  if (tokenizer.kind() == "byte" || holds(file, tokenizer)) return;
  core::log::warning("{}: missing or not the run's: written again", file.string());
  tokenizer.save(file);
}

}  // namespace

void RunFiles::go_on(std::int64_t step, const data::Tokenizer& tokenizer) {
  mend_tokenizer(run_ / "tokenizer.json", tokenizer);
  log_.emplace(MetricsLog::resume(run_ / "metrics.jsonl", step));
  board_.emplace(run_, step);
  // Of the keys that may change on the way, the file tells the newest values.
  const fs::path config = run_ / "config.yaml";
  if (core::read_text_file(config) != config_.resolved_yaml) {
    core::write_file_atomically(config, config_.resolved_yaml);
    board_->text("config", step, config_.resolved_yaml);
  }
}

void RunFiles::keep() {
  if (new_folder_) new_folder_->keep();
}

void RunFiles::write(const StepRecord& record) {
  log_->write(record);
  board_->scalar("train/loss", record.step, record.loss);
  board_->scalar("train/grad_norm", record.step, record.grad_norm);
  board_->scalar("train/lr", record.step, record.lr);
  board_->scalar("train/tokens_per_second", record.step, record.time.tokens_per_second);
  if (record.time.mfu > 0) board_->scalar("train/mfu", record.step, record.time.mfu);
}

void RunFiles::write(const ValidationRecord& record) {
  log_->write(record);
  std::string line = fmt::format("validation at step {}:", record.step);
  for (const ValidationLoss& loss : record.losses) {
    board_->scalar("val/loss/" + loss.visibility, record.step, loss.loss);
    board_->scalar("val/bits_per_byte/" + loss.visibility, record.step, loss.bits_per_byte);
    line += fmt::format("  {} {:.4f} nats, {:.4f} bits per byte", loss.visibility, loss.loss,
                        loss.bits_per_byte);
  }
  core::log::info("{}", line);
}

}  // namespace unfold::train
