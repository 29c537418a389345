// unfold inspect, run as a user would.
#include <gtest/gtest.h>

#include <string>

#include "tests/cli/run_program.h"

namespace unfold::cli {
namespace {

std::string output_of(const std::string& arguments) {
  const ProgramResult result = run_unfold("inspect " + arguments);
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  return result.out;
}

TEST(Inspect, VisibilityAsCsv) {
  EXPECT_EQ(output_of("visibility --pattern 's a g1 b c g2 x' --previous 0 --sinks 1 --format csv"),
            "query,rope,s,a,g1,b,c,g2,x\n"
            "s,0,1,0,0,0,0,0,0\n"
            "a,1,1,1,0,0,0,0,0\n"
            "g1,1,1,1,1,0,0,0,0\n"
            "b,2,1,0,1,1,0,0,0\n"
            "c,3,1,0,1,1,1,0,0\n"
            "g2,3,1,0,1,1,1,1,0\n"
            "x,4,1,0,1,0,0,1,1\n");
}

TEST(Inspect, VisibilityAsText) {
  const std::string text =
      output_of("visibility --pattern 's a g1 b c g2 x' --previous 0 --sinks 1");
  EXPECT_NE(text.find("   x   x  .  x  .  .  x  x\n"), std::string::npos) << text;
}

TEST(Inspect, VisibilityOfTwoLevels) {
  const std::string csv = output_of(
      "visibility --pattern 's a b g1 c d g2 G1 e f g3 h i g4 G2 j' --previous 1 --sinks 1 "
      "--format csv");
  EXPECT_NE(csv.find("\nG2,8,1,0,0,1,0,0,1,1,0,0,1,0,0,1,1,0\n"), std::string::npos) << csv;
  EXPECT_NE(csv.find("\nj,9,1,0,0,0,0,0,0,1,0,0,1,1,1,1,1,1\n"), std::string::npos) << csv;
}

TEST(Inspect, Insertion) {
  const std::string tokens = "--tokens 'The| cat|s| un|believ|ably| ran|,| then| sl|ept|.'";
  EXPECT_EQ(output_of("insertion " + tokens + " --chunks 4 --sinks 0 --rule word"),
            "The| cat|s| un|believ|ably|<g>| ran|,| then| sl|ept|<g>|.|<g>\n");
  EXPECT_EQ(output_of("insertion " + tokens + " --chunks 3 --sinks 2"),
            "The| cat|s| un|believ|ably|<g>| ran|,| then|<g>| sl|ept|.|<g>\n");
  EXPECT_EQ(output_of("insertion --tokens 'a|b|c|d|e' --chunks 1,2,2 --sinks 0 --rule count"),
            "a|<g>|b|<g>|<G>|c|<g>|d|<g>|<G>|<GG>|e|<g>|<G>|<GG>\n");
}

TEST(Inspect, InsertionOfTextFiles) {
  const TestFolder folder("inspect_text");
  const std::string text = folder.write("a.txt", "ab cd");
  EXPECT_EQ(output_of("insertion --text '" + text + "' --chunks 2 --sinks 0 --rule count"),
            "a|b|<g>| |c|<g>|d|<g>\n");
  const std::string lines = folder.write("b.jsonl", "{\"text\": \"abc\"}\n{\"text\": \"d\"}\n");
  EXPECT_EQ(output_of("insertion --text '" + lines + "' --chunks 2,2 --sinks 0 --rule count"),
            "a|b|<g>|c|<g>|<G>\nd|<g>|<G>\n");
  // Byte tokens hold parts of characters; what is printed is valid UTF-8 all the same.
  const std::string accents = folder.write("c.txt", "\u00e9");
  EXPECT_EQ(output_of("insertion --text '" + accents + "' --chunks 4 --sinks 0 --rule count"),
            "\ufffd|\ufffd|<g>\n");
}

TEST(Inspect, Errors) {
  const TestFolder folder("inspect_errors");
  const std::string empty = folder.write("empty.txt", "");
  const std::string latin = folder.write("latin.txt", "caf\xe9");
  for (const std::string& arguments :
       {std::string("visibility --pattern ''"),
        std::string("visibility --pattern 'a H' --levels 2"),
        std::string("visibility --pattern a --sinks -1"), std::string("insertion"),
        std::string("insertion --tokens ''"), std::string("insertion --tokens a --chunks 0"),
        std::string("insertion --tokens a --sinks -1"),
        std::string("insertion --text " + folder.path().string() + "/none.txt"),
        "insertion --text '" + empty + "'", "insertion --text '" + latin + "'",
        "insertion --tokenizer '" + empty + "' --text '" + latin + "'"}) {
    const ProgramResult result = run_unfold("inspect " + arguments);
    EXPECT_EQ(result.code, 2) << arguments << result.err;
    EXPECT_EQ(result.out, "") << arguments;
    EXPECT_TRUE(result.err_is_one_line()) << arguments << "\n" << result.err;
  }
}

}  // namespace
}  // namespace unfold::cli
