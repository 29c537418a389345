// What the figures of a bench were measured on.
#pragma once

#include <string>

namespace unfold::cli::bench {

// "AMD EPYC 7763, 8 threads".
std::string machine();

}  // namespace unfold::cli::bench
