// Held-out loss during training.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/comm/communicator.h"
#include "data/batch.h"
#include "gsa/selection.h"
#include "models/decoder.h"
#include "train/metrics_log.h"

namespace unfold::train {

// Loss of the batches under "full" (gists taken out, plain attention) and, when the rows have
// gists, under "gist_only"; with a selection also under "h_gsa", with suffix queries unfolding what
// they select. Ranks share the batches and all get the same result.
std::vector<ValidationLoss> validate(models::Decoder& decoder, std::span<const data::Batch> batches,
                                     const gsa::GistConfig& gist,
                                     const std::optional<gsa::SelectionConfig>& selection,
                                     core::Communicator& world);

}  // namespace unfold::train
