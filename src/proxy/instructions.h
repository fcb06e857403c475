// The instructions of a request, for the guard that compares its answer with them.
#pragma once

#include <string_view>

#include "loom/guard/system_text.h"

namespace loom::proxy {

/// What may be read of instructions, and of what the user says too: it is done in one turn of the loop.
inline constexpr size_t instructions_bytes_max = 256 * 1024, own_words_bytes_max = 256 * 1024;

/// Fills `system` with a request's instructions, and exempts what its user's turns hold as well, as far as these
/// bounds. What stands between is passed over, twice.
/// document  any bytes: of one that is not well formed, nonsense is read.
void read_instructions(std::string_view document, guard::SystemText& system);

}  // namespace loom::proxy
