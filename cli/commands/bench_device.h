// unfold bench train, attention, decode and gpu: figures of one device, the GPU above all.
#pragma once

#include "cli/command_line.h"

namespace unfold::cli {

void add_device_benches(Command bench);

}  // namespace unfold::cli
