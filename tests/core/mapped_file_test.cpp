#include "core/mapped_file.h"

#include <gtest/gtest.h>

#include <fstream>
#include <utility>

#include "core/error.h"
#include "tests/support/temp_folder.h"

namespace unfold::core {
namespace {

std::string text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

TEST(MappedFile, HoldsTheBytesOfTheFile) {
  const test::TempFolder folder;
  std::string text(20000, 'x');
  text[12345] = 'y';
  std::ofstream(folder / "file") << text;
  const MappedFile file(folder / "file");
  EXPECT_EQ(text_of(file), text);
  file.release(5000, 9000);
  file.release(19000, 90000);
  file.release(90000, 1);
  EXPECT_EQ(text_of(file), text);
}

TEST(MappedFile, Moves) {
  const test::TempFolder folder;
  std::ofstream(folder / "a") << "first";
  std::ofstream(folder / "b") << "second";
  MappedFile a(folder / "a");
  MappedFile b(std::move(a));
  EXPECT_EQ(text_of(b), "first");
  b = MappedFile(folder / "b");
  EXPECT_EQ(text_of(b), "second");
}

TEST(MappedFile, WhatCannotBeMappedIsNamed) {
  const test::TempFolder folder;
  std::ofstream(folder / "empty") << "";
  EXPECT_THROW(MappedFile(folder / "missing"), UserError);
  EXPECT_THROW(MappedFile(folder / "empty"), UserError);
  EXPECT_THROW(MappedFile(folder / "empty" / "below"), UserError);
  EXPECT_THROW(MappedFile(folder.path()), UserError);
  EXPECT_THROW(MappedFile("/dev/null"), UserError);
}

}  // namespace
}  // namespace unfold::core
