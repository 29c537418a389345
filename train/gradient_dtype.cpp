#include "train/gradient_dtype.h"

#include "train/step_windows.h"

namespace unfold::train {

core::DType block_gradient_dtype(const TrainConfig& config, int world_size) {
  const std::size_t passes = step_windows(config.rows, config.micro_rows, 0, world_size).size();
  const bool once = passes == 1 && !config.cpt.two_branch;
  return once && config.dtype == core::DType::bfloat16 ? config.gradient_dtype
                                                       : core::accumulator_of(config.dtype);
}

void set_gradient_dtypes(const models::Decoder& decoder, const TrainConfig& config,
                         int world_size) {
  const core::DType dtype = block_gradient_dtype(config, world_size);
  for (const models::Parameter& parameter : decoder.parameters()) {
    if (models::is_block_matrix(parameter.spec)) parameter.variable.slot()->dtype = dtype;
  }
}

}  // namespace unfold::train
