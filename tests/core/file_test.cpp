#include "core/file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "core/error.h"
#include "tests/support/temp_folder.h"

namespace unfold::core {
namespace {

namespace fs = std::filesystem;

using test::user_error;

class FileTest : public testing::Test {
 protected:
  std::size_t entries() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(folder_.path()), fs::directory_iterator()));
  }
  test::TempFolder folder_;
};

TEST_F(FileTest, TellsBeforehandWhatCannotBeWritten) {
  require_writable(folder_ / "new.txt");
  EXPECT_EQ(entries(), 0u);
  write_file_atomically(folder_ / "a.txt", "a");
  require_writable(folder_ / "a.txt");
  EXPECT_EQ(read_text_file(folder_ / "a.txt"), "a");
  EXPECT_NE(user_error([&] {
              require_writable(folder_ / "none" / "a.txt");
            }).find("create it or choose another path"),
            std::string::npos);
  EXPECT_NE(user_error([&] { require_writable("/proc/self/nope"); }).find("/proc/self/nope"),
            std::string::npos);
  EXPECT_NE(user_error([&] { require_writable(folder_.path()); }).find("is a folder"),
            std::string::npos);
}

TEST_F(FileTest, TellsWhatIsAtAPath) {
  write_file_atomically(folder_ / "a.txt", "a");
  fs::create_symlink("a.txt", folder_ / "link");
  fs::create_symlink("nothing", folder_ / "broken");
  fs::create_symlink("loop", folder_ / "loop");
  EXPECT_EQ(path_kind(folder_.path()), PathKind::folder);
  EXPECT_EQ(path_kind(folder_ / "a.txt"), PathKind::file);
  EXPECT_EQ(path_kind(folder_ / "link"), PathKind::file);
  EXPECT_EQ(path_kind(folder_ / "none"), PathKind::missing);
  EXPECT_EQ(path_kind(folder_ / "broken"), PathKind::missing);
  EXPECT_EQ(path_kind(folder_ / "a.txt" / "below"), PathKind::missing);
  EXPECT_EQ(path_kind("/dev/null"), PathKind::other);
  for (const fs::path& bad : {folder_ / "loop", folder_ / std::string(300, 'a')}) {
    const std::string error = user_error([&] { path_kind(bad); });
    EXPECT_NE(error.find(bad.string() + ": cannot be looked up: "), std::string::npos) << error;
  }
}

TEST_F(FileTest, WritesReadsAndReplaces) {
  const fs::path file = folder_ / "a.txt";
  write_file_atomically(file, std::string_view("one\0two", 7));
  EXPECT_EQ(read_text_file(file), std::string("one\0two", 7));
  ::chmod(file.c_str(), 0640);
  write_file_atomically(file, "");
  EXPECT_EQ(read_text_file(file), "");
  EXPECT_EQ(fs::status(file).permissions(), fs::perms(0640)) << "permissions are kept";
  EXPECT_EQ(entries(), 1u) << "nothing is left beside the file";
}

TEST_F(FileTest, FollowsASymbolicLink) {
  write_file_atomically(folder_ / "real", "old");
  fs::create_symlink("real", folder_ / "link");
  write_file_atomically(folder_ / "link", "new");
  EXPECT_TRUE(fs::is_symlink(folder_ / "link"));
  EXPECT_EQ(read_text_file(folder_ / "real"), "new");
}

// A rename would put a file in the place of a device, as it would for any user who is root.
TEST_F(FileTest, WhatIsNoFileIsNotReplaced) {
  const fs::path pipe = folder_ / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  fs::create_symlink(pipe, folder_ / "link");
  for (const fs::path& place : {pipe, folder_ / "link"}) {
    EXPECT_THROW(write_file_atomically(place, "x"), UserError) << place;
    EXPECT_THROW(replaceable(place), UserError) << place;
  }
  EXPECT_TRUE(fs::is_fifo(pipe));
  EXPECT_THROW(replaceable(folder_.path()), UserError);
  EXPECT_EQ(replaceable(folder_ / "new"), folder_ / "new");
}

TEST_F(FileTest, AFolderHasOneWriter) {
  {
    const FolderLock lock(folder_.path());
    EXPECT_THROW(FolderLock second(folder_.path()), UserError);
  }
  const FolderLock again(folder_.path());
  EXPECT_THROW(FolderLock missing(folder_ / "none"), UserError);
}

TEST_F(FileTest, FailedWriteKeepsTheOldFile) {
  const fs::path file = folder_ / "a.txt";
  write_file_atomically(file, "old");
  rlimit before = {};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small = {1024, before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  const std::string what =
      user_error([&] { write_file_atomically(file, std::string(100'000, 'x')); });
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_NE(what.find("allowed file size"), std::string::npos) << what;
  EXPECT_EQ(read_text_file(file), "old");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(FileTest, WriteErrorsNameThePlaceAndTheRemedy) {
  EXPECT_NE(user_error([&] {
              write_file_atomically(folder_ / "no" / "a", "x");
            }).find("does not exist: create it"),
            std::string::npos);
  EXPECT_NE(user_error([&] { write_file_atomically(folder_.path(), "x"); }).find("is a folder"),
            std::string::npos);
  write_file_atomically(folder_ / "file", "x");
  EXPECT_NE(user_error([&] {
              write_file_atomically(folder_ / "file" / "a", "x");
            }).find("is a file, not a folder"),
            std::string::npos);
  EXPECT_NE(user_error([&] {
              write_file_atomically(folder_ / std::string(300, 'n'), "x");
            }).find("too long"),
            std::string::npos);
  EXPECT_NE(user_error([&] { create_folder(folder_ / "file"); }).find("cannot create this folder"),
            std::string::npos);
}

TEST_F(FileTest, ReadErrorsNameThePlaceAndTheRemedy) {
  EXPECT_NE(user_error([&] { read_text_file(folder_ / "missing"); }).find("no such file"),
            std::string::npos);
  EXPECT_NE(user_error([&] { read_text_file(folder_.path()); }).find("is a folder"),
            std::string::npos);
  ::mkfifo((folder_ / "pipe").c_str(), 0600);
  EXPECT_NE(user_error([&] { read_text_file(folder_ / "pipe"); }).find("not a regular file"),
            std::string::npos);
  EXPECT_NE(user_error([&] { read_text_file("/dev/zero"); }).find("not a regular file"),
            std::string::npos);
}

TEST_F(FileTest, SizeLimitHoldsWithoutReadingTheFile) {
  const fs::path file = folder_ / "huge";
  { std::ofstream(file) << "x"; }
  fs::resize_file(file, std::uintmax_t{1} << 40);  // sparse: one terabyte that no memory holds
  EXPECT_NE(user_error([&] { read_text_file(file); }).find("larger than the limit"),
            std::string::npos);
  write_file_atomically(folder_ / "small", "12345");
  EXPECT_EQ(read_text_file(folder_ / "small", 5), "12345");
  EXPECT_THROW(read_text_file(folder_ / "small", 4), UserError);
}

TEST_F(FileTest, AppendFileGrowsAndRefusesToOverwrite) {
  const fs::path file = folder_ / "log";
  {
    AppendFile log(file, AppendFile::Mode::create);
    log.append("a\n");
    AppendFile moved = std::move(log);
    moved.append("b\n");
    moved.sync();
    EXPECT_EQ(read_text_file(file), "a\nb\n") << "visible before the file is closed";
  }
  EXPECT_NE(user_error([&] { AppendFile(file, AppendFile::Mode::create); }).find("exists already"),
            std::string::npos);
  AppendFile(file, AppendFile::Mode::extend).append("c\n");
  EXPECT_EQ(read_text_file(file), "a\nb\nc\n");
}

TEST_F(FileTest, AppendToAFullDiskSaysSo) {
  AppendFile full("/dev/full", AppendFile::Mode::extend);
  EXPECT_NE(user_error([&] { full.append("x"); }).find("the disk is full"), std::string::npos);
}

}  // namespace
}  // namespace unfold::core
