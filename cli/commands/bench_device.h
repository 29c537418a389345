// unfold bench train, attention, decode and gpu: figures of one device, the GPU above all.
#pragma once

namespace CLI {
class App;
}  // namespace CLI

namespace unfold::cli {

void add_device_benches(CLI::App& bench);

}  // namespace unfold::cli
