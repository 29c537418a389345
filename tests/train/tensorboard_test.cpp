#include "train/tensorboard.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <vector>

#include "core/checksum.h"
#include "tests/support/temp_folder.h"
#include "train/tfrecord.h"

namespace unfold::train {
namespace {

namespace fs = std::filesystem;
using test::user_error;

template <typename T>
T take(std::string_view& bytes) {
  T value = {};
  EXPECT_GE(bytes.size(), sizeof value);
  std::memcpy(&value, bytes.data(), sizeof value);
  bytes.remove_prefix(sizeof value);
  return value;
}

// Splits a file into its records, checking lengths and checksums as TensorBoard does.
std::vector<std::string> records_of(const std::string& file) {
  std::vector<std::string> records;
  std::string_view rest = file;
  while (!rest.empty()) {
    const std::string_view length_bytes = rest.substr(0, 8);
    const auto length = take<std::uint64_t>(rest);
    EXPECT_EQ(take<std::uint32_t>(rest), masked_crc32c(length_bytes));
    EXPECT_GE(rest.size(), length + 4);
    records.emplace_back(rest.substr(0, length));
    rest.remove_prefix(length);
    EXPECT_EQ(take<std::uint32_t>(rest), masked_crc32c(records.back()));
  }
  return records;
}

std::uint64_t take_varint(std::string_view& bytes) {
  std::uint64_t value = 0;
  for (int shift = 0; !bytes.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  return value;
}

// Fields of a message by number; fixed-width values and varints as their little-endian bytes.
std::map<int, std::string> fields_of(std::string_view bytes) {
  std::map<int, std::string> fields;
  while (!bytes.empty()) {
    const std::uint64_t key = take_varint(bytes);
    std::size_t size = 0;
    std::string value;
    switch (key & 7) {
      case 0: {
        const std::uint64_t number = take_varint(bytes);
        value.assign(reinterpret_cast<const char*>(&number), sizeof number);
        break;
      }
      case 1:
        size = 8;
        break;
      case 2:
        size = take_varint(bytes);
        break;
      case 5:
        size = 4;
        break;
      default:
        ADD_FAILURE() << "unexpected wire type " << (key & 7);
        return fields;
    }
    if ((key & 7) != 0) {
      EXPECT_GE(bytes.size(), size);
      value = bytes.substr(0, size);
      bytes.remove_prefix(size);
    }
    fields[static_cast<int>(key >> 3)] = value;
  }
  return fields;
}

template <typename T>
T as(const std::string& bytes) {
  std::string_view view = bytes;
  return take<T>(view);
}

std::vector<fs::path> files_in(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

TEST(Tfrecord, ChecksumsMatchPublishedVectors) {
  // RFC 3720, appendix B.4
  EXPECT_EQ(core::crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(core::crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(core::crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  EXPECT_EQ(core::crc32c(""), 0u);
}

TEST(Tfrecord, FramesAnyBytes) {
  const std::string bytes("a\0b", 3);
  const std::string record = tfrecord(bytes);
  EXPECT_EQ(record.size(), 3u + 16u);
  EXPECT_EQ(records_of(record + tfrecord("")), (std::vector<std::string>{bytes, ""}));
}

TEST(Tensorboard, WritesVersionScalarsAndText) {
  const test::TempFolder folder;
  TensorboardWriter writer(folder.path());
  writer.scalar("train/loss", 7, 2.5);
  writer.scalar("train/loss", 300, -1e-3);
  writer.text("config", 0, "run:\n  seed: 42");

  const auto records = records_of(core::read_text_file(writer.path()));
  ASSERT_EQ(records.size(), 4u);
  EXPECT_EQ(fields_of(records[0])[3], "brain.Event:2");
  EXPECT_GT(as<double>(fields_of(records[0])[1]), 1.6e9) << "wall time, seconds since 1970";

  auto event = fields_of(records[1]);
  EXPECT_EQ(as<std::int64_t>(event[2]), 7);
  auto value = fields_of(fields_of(event[5])[1]);
  EXPECT_EQ(value[1], "train/loss");
  EXPECT_EQ(as<float>(value[2]), 2.5f);
  event = fields_of(records[2]);
  EXPECT_EQ(as<std::int64_t>(event[2]), 300);
  EXPECT_EQ(as<float>(fields_of(fields_of(event[5])[1])[2]), -1e-3f);

  value = fields_of(fields_of(fields_of(records[3])[5])[1]);
  EXPECT_EQ(value[1], "config");
  EXPECT_EQ(fields_of(value[8])[8], "    run:\n      seed: 42") << "a verbatim block";
  EXPECT_EQ(fields_of(fields_of(value[9])[1])[1], "text");
}

TEST(Tensorboard, ResumeStartsALaterFileThatPurges) {
  const test::TempFolder folder;
  const fs::path first = TensorboardWriter(folder.path()).path();
  const fs::path second = TensorboardWriter(folder.path(), 100).path();
  const fs::path third = TensorboardWriter(folder.path(), 150).path();
  EXPECT_EQ(files_in(folder.path()), (std::vector<fs::path>{first, second, third}))
      << "within one second, too, files sort in the order they were made";

  const auto records = records_of(core::read_text_file(second));
  ASSERT_EQ(records.size(), 2u);
  auto event = fields_of(records[1]);
  EXPECT_EQ(as<std::int64_t>(event[2]), 101);
  EXPECT_EQ(as<std::uint64_t>(fields_of(event[7])[1]), 1u) << "SessionLog.START";
}

TEST(Tensorboard, ForeignFileNamesAreNoObstacle) {
  const test::TempFolder folder;
  core::write_file_atomically(folder / "events.out.tfevents.99999999999999999999999.x", "");
  core::write_file_atomically(folder / "events.out.tfevents.", "");
  const TensorboardWriter writer(folder.path());
  EXPECT_EQ(records_of(core::read_text_file(writer.path())).size(), 1u);
}

TEST(Tensorboard, MissingFolderIsAUsersError) {
  const test::TempFolder folder;
  EXPECT_NE(user_error([&] { TensorboardWriter(folder / "missing"); }).find("does not exist"),
            std::string::npos);
}

}  // namespace
}  // namespace unfold::train
