#include "core/comm/shared_words.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

#include "core/error.h"

namespace unfold::core {
namespace {

TEST(SharedWords, AreSeenByAllWhoOpenThem) {
  std::optional<SharedWords> made = SharedWords::make(100);
  ASSERT_TRUE(made.has_value());
  std::optional<SharedWords> opened = SharedWords::open(made->name(), 100);
  ASSERT_TRUE(opened.has_value());
  EXPECT_NE(made->memory(), opened->memory());
  EXPECT_GE(made->bytes(), 100 * SharedWords::kStride);
  for (std::size_t i = 0; i < 100; ++i) EXPECT_EQ(opened->word(i), 0u);
  made->set(99, 7);
  opened->set(0, ~0u);
  EXPECT_EQ(opened->word(99), 7u);
  EXPECT_EQ(made->word(0), ~0u);
  EXPECT_EQ(made->word(1), 0u);
  EXPECT_THROW(made->word(made->bytes() / SharedWords::kStride), InternalError);
}

TEST(SharedWords, ReachOtherProcesses) {
  std::optional<SharedWords> made = SharedWords::make(2);
  ASSERT_TRUE(made.has_value());
  const pid_t child = ::fork();
  if (child == 0) {
    std::optional<SharedWords> opened = SharedWords::open(made->name(), 2);
    if (opened) opened->set(1, 42);
    ::_exit(opened ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(made->word(1), 42u);
}

TEST(SharedWords, LeaveNoNameBehind) {
  std::string name;
  {
    std::optional<SharedWords> made = SharedWords::make(3);
    ASSERT_TRUE(made.has_value());
    name = made->name();
    std::optional<SharedWords> opened = SharedWords::open(name, 3);
    ASSERT_TRUE(opened.has_value());
    made->unlink();
    EXPECT_FALSE(SharedWords::open(name, 3).has_value());
    made->set(2, 5);
    EXPECT_EQ(opened->word(2), 5u) << "who has them keeps them";

    std::optional<SharedWords> other = SharedWords::make(3);
    ASSERT_TRUE(other.has_value());
    EXPECT_NE(other->name(), name);
    name = other->name();
    SharedWords moved = std::move(*other);
    EXPECT_TRUE(SharedWords::open(name, 3).has_value());
  }
  EXPECT_FALSE(SharedWords::open(name, 3).has_value()) << "taken away at the end";
}

TEST(SharedWords, AreNotThereWithoutNameOrRoom) {
  EXPECT_FALSE(SharedWords::open("/unfold-nobody-made-this", 1).has_value());
  EXPECT_FALSE(SharedWords::open("", 1).has_value());
  std::optional<SharedWords> made = SharedWords::make(1);
  ASSERT_TRUE(made.has_value());
  EXPECT_FALSE(SharedWords::open(made->name(), 1'000'000).has_value());
}

}  // namespace
}  // namespace unfold::core
