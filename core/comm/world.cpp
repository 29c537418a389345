#include "core/comm/world.h"

#include <cstdlib>
#include <string_view>

#include "core/device.h"
#include "core/error.h"
#include "core/log.h"

namespace unfold::core {

std::string device_of_rank(const std::string& device, int local_rank) {
  if (device != "cuda") return device;
  const int count = cuda_device_count();
  return count > 0 ? "cuda:" + std::to_string(local_rank % count) : device;
}

std::unique_ptr<Communicator> make_world(const std::string& device) {
  const Launch launch = find_launch();
  if (!launch.many()) return make_single_process();
  require(
      !mpi_version().empty(), "mpi",
      "started by {} as one of {} processes, but this program was built without MPI: rebuild it "
      "with MPI (libopenmpi-dev), or set UNFOLD_COMM=single to run each process by itself",
      launch.launcher, launch.world_size);
  const char* const setting = std::getenv("UNFOLD_COMM");
  const std::string_view wish = setting == nullptr ? "" : setting;
  require(wish.empty() || wish == "mpi" || wish == "nccl", "ranks",
          "UNFOLD_COMM={}: choose nccl, mpi or single", wish);
  std::unique_ptr<Communicator> world;
  if (wish != "mpi" && device_from_name(device).type == DeviceType::cuda) {
    world = make_nccl_world(launch, device);
    require(world || wish != "nccl", "nccl",
            "UNFOLD_COMM=nccl, but this program was built without NCCL: rebuild it with NCCL");
  }
  if (!world) world = make_mpi_world(launch);
  if (world->is_root()) log::info("{}", world->describe());
  return world;
}

}  // namespace unfold::core
