#include "cli/ranks.h"

#include <cstdlib>
#include <exception>
#include <memory>
#include <new>
#include <optional>

#include "cli/exit_code.h"
#include "core/comm/world.h"
#include "core/error.h"
#include "core/log.h"

namespace unfold::cli {
namespace {

// Tells the other ranks. Returns where this rank is the one to tell people.
void tell_others(core::Communicator& world, const std::string& why, int code) {
  try {
    world.fail(why, code);
  } catch (const core::RankLost& lost) {
    throw SaidElsewhere(lost.exit_code());
  }
}

}  // namespace

void run_on_ranks(const std::string& device,
                  const std::function<void(core::Communicator& world)>& body) {
  const std::unique_ptr<core::Communicator> world = core::make_world(device);
  if (!world->distributed()) return body(*world);
  // What all ranks would say rank 0 says.
  if (!world->is_root() && std::getenv("UNFOLD_LOG") == nullptr) {
    core::log::set_level(core::log::Level::error);
  }
  std::optional<core::Interrupted> stopped;  // all ranks agreed to stop
  try {
    try {
      body(*world);
    } catch (const core::Interrupted& interrupted) {
      stopped = interrupted;
    }
    world->finish();
  } catch (const core::RankLost& lost) {
    throw SaidElsewhere(lost.exit_code());
  } catch (const core::UserError& error) {
    tell_others(*world, error.what(), kUserErrorCode);
    throw;
  } catch (const std::bad_alloc&) {
    tell_others(*world, "not enough memory", kUserErrorCode);
    throw;
  } catch (const std::exception& error) {
    tell_others(*world, error.what(), kBugCode);
    throw;
  }
  if (!stopped) return;
  if (!world->is_root()) throw SaidElsewhere(kSignalCode + stopped->signal());
  throw core::Interrupted(*stopped);
}

}  // namespace unfold::cli
