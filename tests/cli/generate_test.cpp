// unfold generate, run as a user would.
#include <gtest/gtest.h>

#include <string>

#include "data/text.h"
#include "tests/cli/trained_run.h"

namespace unfold::cli {
namespace {

std::string generate_error(const std::string& arguments) {
  const ProgramResult result = run_unfold("generate " + arguments);
  EXPECT_EQ(result.code, 2) << arguments << result.err;
  EXPECT_EQ(result.out, "") << arguments;
  EXPECT_TRUE(result.err_is_one_line()) << arguments << "\n" << result.err;
  return result.err;
}

TEST(Generate, ContinuesATextTheSameWayEveryTime) {
  const TrainedRun trained("generate");
  const std::string context = trained.folder().write(
      "context.txt", "Facts: Marlo tulip river, Besta stone lamp, caf\u00e9 \u20ac 5.\n");
  const std::string run = fmt::format("generate '{}' ", trained.run());
  const auto text_of = [&](const std::string& options) {
    const ProgramResult result = run_unfold(run + options);
    EXPECT_EQ(result.code, 0) << options << result.err;
    EXPECT_EQ(data::find_invalid_utf8(result.out), std::string::npos) << options;
    EXPECT_EQ(result.out.back(), '\n');
    EXPECT_NE(result.err.find("attended"), std::string::npos) << result.err;
    return result.out;
  };
  const std::string asked = fmt::format("--context '{}' --prompt 'Recall Marlo' ", context);
  const std::string greedy = text_of(asked + "--max-tokens 12");
  EXPECT_EQ(text_of(asked + "--max-tokens 12 --seed 9"), greedy);
  // Greedy text of fewer tokens is the beginning of that of more.
  const std::string shorter = text_of(asked + "--max-tokens 5");
  EXPECT_EQ(greedy.substr(0, shorter.size() - 1), shorter.substr(0, shorter.size() - 1));

  // An untrained model draws any bytes: what comes out is text all the same.
  const std::string drawn = "--max-tokens 60 --temperature 2 --prompt 'Recall' ";
  EXPECT_EQ(text_of(drawn + "--seed 1"), text_of(drawn + "--seed 1"));
  EXPECT_NE(text_of(drawn + "--seed 1"), text_of(drawn + "--seed 2"));
  EXPECT_EQ(text_of(drawn + "--top-k 1"), text_of("--max-tokens 60 --prompt 'Recall'"));

  text_of(fmt::format("--context '{}' --max-tokens 3", context));
  text_of("--prompt x --max-tokens 3 --checkpoint 2");
  text_of("--prompt x --max-tokens 3 --checkpoint best");

  // The gists of the context stand for it: far fewer keys are read than under full attention.
  const auto attended = [&](const std::string& method) {
    const std::string err = run_unfold(run + asked + "--max-tokens 2 --method " + method).err;
    EXPECT_NE(err.find("method " + method), std::string::npos) << err;
    return std::stoi(err.substr(err.find("attended ") + 9));
  };
  const int full = attended("full");
  EXPECT_EQ(full, 57 + 12 + 1);  // context, prompt and the first token, which the second one reads
  EXPECT_LT(attended("gist_only"), full / 2);
  EXPECT_NE(run_unfold(run + asked + "--max-tokens 2").err.find("method gist_only"),
            std::string::npos);
}

TEST(Generate, StopsBeforeAStopText) {
  const TrainedRun trained("generate_stop");
  const std::string run = fmt::format(
      "generate '{}' --prompt 'Recall Marlo' --max-tokens 60 "
      "--temperature 1 --top-k 40 ",
      trained.run());
  const std::string text = run_unfold(run).out;
  // Printable ASCII that stands in the middle of the text.
  std::size_t at = text.size() / 3;
  while (at + 3 < text.size() && (text[at] < '0' || text[at] > 'z' || text[at] == '\\')) ++at;
  ASSERT_LT(at + 3, text.size());
  const std::string stop = text.substr(at, 1);
  const ProgramResult cut = run_unfold(run + "--stop '" + stop + "' --stop 'never there'");
  EXPECT_EQ(cut.code, 0) << cut.err;
  EXPECT_EQ(cut.out, text.substr(0, text.find(stop)) + "\n");
  EXPECT_EQ(run_unfold(run + "--stop '" + stop + "'").out, cut.out) << "a single byte";

  const std::string chunked = "--method gsa --streaming --ratio 4";
  const ProgramResult long_text = run_unfold(run + chunked);
  EXPECT_EQ(long_text.code, 0) << long_text.err;
  EXPECT_NE(long_text.err.find("then 60 tokens"), std::string::npos) << long_text.err;
}

TEST(Generate, AChatIsThePromptThatItsTemplateWrites) {
  const TrainedRun trained("generate_chat");
  const std::string run = fmt::format("generate '{}' --max-tokens 8 ", trained.run());
  const std::string chatml =
      "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + "
      "message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ "
      "'<|im_start|>assistant\\n' }}{% endif %}";
  EXPECT_NE(
      generate_error(fmt::format("'{}' --prompt x --chat", trained.run())).find("no chat template"),
      std::string::npos);
  trained.folder().write("run/chat_template.txt", chatml);
  const ProgramResult chat = run_unfold(run + "--chat --system 'Be brief.' --prompt 'Who?'");
  EXPECT_EQ(chat.code, 0) << chat.err;
  const ProgramResult written = run_unfold(
      run +
      "--prompt \"$(printf '<|im_start|>system\\nBe brief.<|im_end|>\\n<|im_start|>user\\nWho?"
      "<|im_end|>\\n<|im_start|>assistant\\n.')\"");
  EXPECT_EQ(written.code, 0) << written.err;
  // The shell takes line ends off, so a full stop stands at the end: one position more.
  EXPECT_NE(chat.err.find("prompt of 93 positions"), std::string::npos) << chat.err;
  EXPECT_NE(written.err.find("prompt of 94 positions"), std::string::npos) << written.err;

  const std::string context = trained.folder().write("context.txt", std::string(64, 'y') + "\n");
  const std::string asked = fmt::format("--chat --context '{}' --prompt 'Who?' ", context);
  const ProgramResult gists = run_unfold(run + asked + "--method gist_only");
  EXPECT_EQ(gists.code, 0) << gists.err;
  EXPECT_NE(generate_error(fmt::format("'{}' --prompt x --system y", trained.run())).find("--chat"),
            std::string::npos);
  trained.folder().write("run/chat_template.txt", "{{ messages }}");
  EXPECT_NE(generate_error(fmt::format("'{}' --prompt x --chat", trained.run()))
                .find("an unknown chat template"),
            std::string::npos);
}

TEST(Generate, AModelOfPlainAttentionTakesNoGists) {
  const TrainedRun trained("generate_plain",
                           "--set train.objective=lm --set 'gist.chunks=[]' --set "
                           "'eval.methods=[full]'");
  const std::string run = fmt::format("'{}' --prompt x --max-tokens 2 ", trained.run());
  const ProgramResult result = run_unfold("generate " + run);
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.err.find("method full"), std::string::npos) << result.err;
  EXPECT_NE(generate_error(run + "--method gsa").find("has no gist tokens"), std::string::npos);
}

TEST(Generate, Errors) {
  const TrainedRun trained("generate_errors");
  const std::string run = fmt::format("'{}' ", trained.run());
  const auto expect = [](const std::string& error, const std::string& part) {
    EXPECT_NE(error.find(part), std::string::npos) << error;
  };
  expect(generate_error(run), "nothing to continue");
  expect(generate_error(run + "--prompt ''"), "nothing to continue");
  expect(generate_error(trained.file("none") + " --prompt x"), "no such run folder");
  expect(generate_error(trained.config() + " --prompt x"), "is a file");
  expect(generate_error(trained.file("train") + " --prompt x"), "it has no config.yaml");
  expect(generate_error(run + "--prompt x --checkpoint 3"), "no checkpoint of step 3");
  expect(generate_error(run + "--prompt x --method gits"), "gits");
  expect(generate_error(run + "--prompt x --method full --streaming"), "--streaming");
  for (const std::string option :
       {"--ratio 0.5", "--ratio nan", "--stop ''", "--max-tokens 0", "--max-tokens 99999999999",
        "--temperature -1", "--temperature nan", "--temperature inf", "--top-k -1", "--top-p 0",
        "--top-p 1.5", "--top-p nan", "--seed -1"}) {
    expect(generate_error(run + "--prompt x " + option), option.substr(0, option.find(' ')));
  }
  for (const std::string option : {"--max-tokens x", "--seed x", "--top-k 1.5"}) {
    expect(generate_error(run + "--prompt x " + option), "[usage]");
  }
  expect(generate_error(run + "--prompt \"$(printf 'caf\\351')\""),
         "--prompt: not UTF-8 at byte 3");
  const std::string latin = trained.folder().write("latin.txt", "ab\xff");
  const std::string empty = trained.folder().write("empty.txt", "");
  expect(generate_error(run + "--context '" + latin + "'"), latin + ": not UTF-8 at byte 2");
  expect(generate_error(run + "--context '" + empty + "'"), empty + ": is empty");
  expect(generate_error(run + "--context '" + trained.file("none.txt") + "'"), "none.txt");
  expect(generate_error(run + "--context '" + trained.file("train") + "'"), trained.file("train"));
  if (std::filesystem::exists("/dev/full")) {
    expect(generate_error(run + "--prompt x >/dev/full"), "No space left on device");
  }
  std::filesystem::remove_all(trained.run() + "/checkpoints");
  expect(generate_error(run + "--prompt x"), "has no checkpoint yet");
}

}  // namespace
}  // namespace unfold::cli
