#include "data/tokenizer/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>
#include <cstdint>
#include <new>

#include "core/error.h"

namespace unfold::data {
namespace {

constexpr std::size_t kFirstJitStack = 32 * 1024;
constexpr std::size_t kLargestJitStack = 1024 * 1024;

std::string message_of(int error) {
  std::array<PCRE2_UCHAR, 256> buffer{};
  pcre2_get_error_message(error, buffer.data(), buffer.size());
  return reinterpret_cast<const char*>(buffer.data());
}

template <auto Free>
struct Freer {
  template <typename T>
  void operator()(T* handle) const {
    Free(handle);
  }
};

PCRE2_SPTR bytes_of(std::string_view text) {
  return reinterpret_cast<PCRE2_SPTR>(text.data());
}

}  // namespace

struct RegexScratch::State {
  // One pair of offsets: only the whole match is of interest.
  std::unique_ptr<pcre2_match_data, Freer<pcre2_match_data_free>> match{
      pcre2_match_data_create(1, nullptr)};
  std::unique_ptr<pcre2_match_context, Freer<pcre2_match_context_free>> context{
      pcre2_match_context_create(nullptr)};
  std::unique_ptr<pcre2_jit_stack, Freer<pcre2_jit_stack_free>> stack{
      pcre2_jit_stack_create(kFirstJitStack, kLargestJitStack, nullptr)};

  State() {
    if (!match || !context) throw std::bad_alloc();
    if (stack) pcre2_jit_stack_assign(context.get(), nullptr, stack.get());
  }
};

RegexScratch::RegexScratch() : state_(std::make_unique<State>()) {}
RegexScratch::~RegexScratch() = default;
RegexScratch::RegexScratch(RegexScratch&&) noexcept = default;
RegexScratch& RegexScratch::operator=(RegexScratch&&) noexcept = default;

struct Regex::Code {
  std::unique_ptr<pcre2_code, Freer<pcre2_code_free>> code;
  bool compiled = false;  // to machine code; some systems forbid that
};

Regex::Regex(std::string pattern, bool literal) : pattern_(std::move(pattern)) {
  const std::uint32_t options =
      PCRE2_UTF | (literal ? PCRE2_LITERAL : PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C);
  int error = 0;
  std::size_t offset = 0;
  auto code = std::make_shared<Code>();
  code->code.reset(
      pcre2_compile(bytes_of(pattern_), pattern_.size(), options, &error, &offset, nullptr));
  core::require(code->code != nullptr, "regex", "pattern: {} at offset {}", message_of(error),
                offset);
  code->compiled = pcre2_jit_compile(code->code.get(), PCRE2_JIT_COMPLETE) == 0;
  code_ = std::move(code);
}

std::optional<Regex::Match> Regex::find(std::string_view text, std::size_t from,
                                        RegexScratch& scratch) const {
  const RegexScratch::State& state = *scratch.state_;
  const auto run = code_->compiled ? pcre2_jit_match : pcre2_match;
  const int result = run(code_->code.get(), bytes_of(text), text.size(), from, PCRE2_NO_UTF_CHECK,
                         state.match.get(), state.context.get());
  if (result == PCRE2_ERROR_NOMATCH) return std::nullopt;
  core::require(result >= 0, "regex", "pattern '{}' failed on this text: {}", pattern_,
                message_of(result));
  const std::size_t* offsets = pcre2_get_ovector_pointer(state.match.get());
  return Match{offsets[0], offsets[1]};
}

}  // namespace unfold::data
