// TensorBoard event files: TFRecord frames (train/tfrecord.h) of Event protocol buffers.
//
// The few messages needed are encoded by hand, so that no protobuf library is linked. Field numbers
// are those of tensorflow/core/util/event.proto and framework/summary.proto.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>

#include "core/file.h"

namespace unfold::train {

class TensorboardWriter {
 public:
  // Starts events.out.tfevents.TIME.HOST.PID in the folder, named so that it sorts behind the event
  // files already there. `resumed_step`: the step a resumed run continues from; TensorBoard then
  // drops what older files hold for later steps, so that curves do not double.
  // Throws core::UserError when the folder cannot be written.
  explicit TensorboardWriter(const std::filesystem::path& folder,
                             std::optional<std::int64_t> resumed_step = std::nullopt);

  // One point of the curve `tag`, e.g. "train/loss". TensorBoard stores float32.
  void scalar(std::string_view tag, std::int64_t step, double value);
  // Text shown verbatim under the Text tab, e.g. the resolved config.
  void text(std::string_view tag, std::int64_t step, std::string_view text);

  const std::filesystem::path& path() const { return file_.path(); }

 private:
  void write_event(std::int64_t step, std::string_view payload);
  core::AppendFile file_;
};

}  // namespace unfold::train
