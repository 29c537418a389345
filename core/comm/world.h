// Which communicator a process gets.
#pragma once

#include <memory>
#include <string>

#include "core/comm/communicator.h"
#include "core/comm/launch.h"

namespace unfold::core {

// Alone, a process has a world of its own. Started as one of many (core/comm/launch.h), it gets
// MPI, and NCCL for tensors when device (core::device_from_name) is a GPU, and every rank has one
// for itself. UNFOLD_COMM in the environment: nccl or mpi takes that for tensors, single starts
// nothing. Throws core::UserError: a build without MPI, another MPI than the launcher's, no
// connection between the hosts, UNFOLD_COMM=nccl where it cannot be.
std::unique_ptr<Communicator> make_world(const std::string& device = "cpu");

// The device of this rank: "cuda" is one GPU after the other for the ranks of a host, begun again
// when there are more ranks than GPUs. Other names are what they say. The device is usable.
std::string device_of_rank(const std::string& device, int local_rank);

// What this program can use: "Open MPI 4.1.4"; empty in a build without.
std::string mpi_version();
std::string nccl_version();

// Makers; those that the build lacks give nullptr.
std::unique_ptr<Communicator> make_mpi_world(const Launch& launch);
std::unique_ptr<Communicator> make_nccl_world(const Launch& launch, const std::string& device);

}  // namespace unfold::core
