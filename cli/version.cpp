#include "cli/version.h"

namespace unfold::cli {

std::string_view version() {
  return UNFOLD_VERSION;
}

}  // namespace unfold::cli
