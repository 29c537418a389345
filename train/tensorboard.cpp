#include "train/tensorboard.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <chrono>
#include <string>
#include <system_error>

#include "train/tfrecord.h"

namespace unfold::train {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kPrefix = "events.out.tfevents.";

// Encoder of one protocol buffer message: each call appends one field.
class Message {
 public:
  Message& varint(int field, std::uint64_t value) {
    key(field, 0);
    append_varint(value);
    return *this;
  }
  Message& float64(int field, double value) {
    key(field, 1);
    append_fixed(std::bit_cast<std::uint64_t>(value));
    return *this;
  }
  Message& float32(int field, float value) {
    key(field, 5);
    append_fixed(std::bit_cast<std::uint32_t>(value));
    return *this;
  }
  // Strings, bytes and nested messages share one wire type.
  Message& bytes(int field, std::string_view value) {
    key(field, 2);
    append_varint(value.size());
    bytes_.append(value);
    return *this;
  }
  std::string_view view() const { return bytes_; }

 private:
  void key(int field, int wire_type) {
    append_varint(static_cast<std::uint64_t>(field) << 3 | static_cast<std::uint64_t>(wire_type));
  }
  void append_varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_.push_back(static_cast<char>(value | 0x80));
    bytes_.push_back(static_cast<char>(value));
  }
  template <typename Bits>
  void append_fixed(Bits bits) {
    for (std::size_t i = 0; i < sizeof bits; ++i) {
      bytes_.push_back(static_cast<char>((bits >> (8 * i)) & 0xff));
    }
  }
  std::string bytes_;
};

double seconds_since_epoch() {
  using std::chrono::system_clock;
  return std::chrono::duration<double>(system_clock::now().time_since_epoch()).count();
}

// TIME of the newest event file in the folder, 0 when there is none. TensorBoard reads the files in
// the order of their names, so a new one must sort behind them even within the same second.
std::int64_t newest_stamp(const fs::path& folder) {
  std::int64_t newest = 0;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!name.starts_with(kPrefix)) continue;
    std::int64_t stamp = 0;
    const char* first = name.data() + kPrefix.size();
    const auto parsed = std::from_chars(first, name.data() + name.size(), stamp);
    // Ten digits hold until the year 2286; anything else is not a file of ours.
    if (parsed.ec == std::errc() && parsed.ptr - first == 10) newest = std::max(newest, stamp);
  }
  return newest;
}

fs::path new_event_file(const fs::path& folder) {
  const auto now = static_cast<std::int64_t>(seconds_since_epoch());
  std::array<char, 256> host = {};
  if (::gethostname(host.data(), host.size() - 1) != 0 || host[0] == '\0')
    host = {'h', 'o', 's', 't'};
  return folder / fmt::format("{}{:010}.{}.{}", kPrefix, std::max(now, newest_stamp(folder) + 1),
                              host.data(), ::getpid());
}

std::string indented(std::string_view text) {
  // TensorBoard renders Markdown, in which four spaces make a verbatim block.
  std::string result = "    ";
  for (const char c : text) {
    result.push_back(c);
    if (c == '\n') result += "    ";
  }
  return result;
}

}  // namespace

TensorboardWriter::TensorboardWriter(const fs::path& folder,
                                     std::optional<std::int64_t> resumed_step)
    : file_(new_event_file(folder), core::AppendFile::Mode::create) {
  write_event(0, Message().bytes(3, "brain.Event:2").view());  // Event.file_version
  if (resumed_step) {
    // Event.session_log with SessionLog.status = START: purges everything from this step on.
    write_event(*resumed_step + 1, Message().bytes(7, Message().varint(1, 1).view()).view());
  }
}

void TensorboardWriter::scalar(std::string_view tag, std::int64_t step, double value) {
  Message entry;  // Summary.Value
  entry.bytes(1, tag).float32(2, static_cast<float>(value));
  write_event(step, Message().bytes(5, Message().bytes(1, entry.view()).view()).view());
}

void TensorboardWriter::text(std::string_view tag, std::int64_t step, std::string_view text) {
  constexpr std::uint64_t kStringType = 7;  // DT_STRING
  Message shape;                            // TensorShapeProto of one dimension of size 1
  shape.bytes(2, Message().varint(1, 1).view());
  Message tensor;
  tensor.varint(1, kStringType).bytes(2, shape.view()).bytes(8, indented(text));
  Message metadata;  // SummaryMetadata.plugin_data.plugin_name
  metadata.bytes(1, Message().bytes(1, "text").view());
  Message entry;
  entry.bytes(1, tag).bytes(8, tensor.view()).bytes(9, metadata.view());
  write_event(step, Message().bytes(5, Message().bytes(1, entry.view()).view()).view());
}

void TensorboardWriter::write_event(std::int64_t step, std::string_view payload) {
  Message event;
  event.float64(1, seconds_since_epoch()).varint(2, static_cast<std::uint64_t>(step));
  std::string bytes(event.view());
  bytes.append(payload);
  file_.append(tfrecord(bytes));
}

}  // namespace unfold::train
