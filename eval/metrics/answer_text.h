// Answers as the question answering metrics compare them: without case, punctuation and articles.
#pragma once

#include <string>
#include <string_view>

namespace unfold::eval {

// SQuAD's normalisation (Rajpurkar et al. 2016): small letters, ASCII punctuation taken out, the
// words a, an and the taken out, white space reduced to single spaces.
std::u32string normalize_answer(std::u32string_view text);

// LongBench's for Chinese: small letters, ASCII and Chinese punctuation and white space taken out.
std::u32string normalize_chinese_answer(std::u32string_view text);

}  // namespace unfold::eval
