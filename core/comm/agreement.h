// Whether all ranks were started alike.
#pragma once

#include <string>
#include <vector>

#include "core/comm/communicator.h"

namespace unfold::core {

// Something that has to be the same on every rank. text may have many lines: the first that differs
// is told.
struct Agreed {
  std::string what;  // "the config", for people
  std::string text;
  std::string advice;  // what to do when it differs
};

// Collective. Throws core::UserError on every rank when a rank gave another text than rank 0: names
// that rank and the difference. All ranks give the same list of whats.
void require_agreement(Communicator& world, const std::vector<Agreed>& all);

// The first line on which two texts differ, as "'left' and 'right'"; long lines are cut.
std::string first_difference(const std::string& left, const std::string& right);

// Size and CRC-32C of the program that runs: the same for the same binary.
std::string program_fingerprint();

}  // namespace unfold::core
