// The keys of a config, section by section: the one place to add a key.
#pragma once

namespace unfold::cli {

class Schema;

void add_all_sections(Schema& schema);

}  // namespace unfold::cli
