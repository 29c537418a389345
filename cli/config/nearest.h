// "Did you mean ...?": the known name nearest to a mistyped one.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace unfold::cli {

// Edits (insert, delete, replace, swap of neighbours) that turn a into b.
std::size_t edit_distance(std::string_view a, std::string_view b);

// The candidate nearest to name, or "" when none is near (more than a third of it would change).
std::string nearest_name(std::string_view name, std::span<const std::string> candidates);

// The same for dotted keys: "train.lr" also finds "optimizer.lr", and "steps" finds "train.steps".
std::string nearest_key(std::string_view key, std::span<const std::string> candidates);

}  // namespace unfold::cli
