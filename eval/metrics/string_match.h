// Whether answers occur in a prediction: the measures of generated probes (eval/probes/probe.h).
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace unfold::eval {

// 1 when the answer occurs in the prediction, letters of ASCII compared without their case; else 0.
// An empty answer occurs in everything.
double string_match(std::string_view prediction, std::string_view answer);

// RULER's string match: the share of the answers that occur. answers: at least one.
double string_match_share(std::string_view prediction, std::span<const std::string> answers);

// The first run of ASCII digits; empty when there is none.
std::string_view first_integer(std::string_view text);

// METHOD.md section 11: 1 when the first integer of the prediction is the key, else 0.
double passkey_match(std::string_view prediction, std::string_view key);

}  // namespace unfold::eval
