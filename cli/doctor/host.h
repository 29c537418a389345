// What a rank says of its host, as text between ranks: one "key=value" a line.
#pragma once

#include <map>
#include <string>

namespace unfold::cli::doctor {

using Facts = std::map<std::string, std::string>;

std::string to_text(const Facts& facts);
Facts facts_from(const std::string& text);

// Name, cores, memory, threads, program and versions of libraries; device: "cpu", or the GPU's name
// and driver ("gpu", "driver").
Facts facts_of_this_host(const std::string& device);

}  // namespace unfold::cli::doctor
