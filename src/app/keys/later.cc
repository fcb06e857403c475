// Keys of features that this version does not have. Known, so that the answer is "not available in this version" and
// not "unknown key", and nobody believes that a guard is on. A row: {.pattern, .type, .available = false}.
#include "keys/keys.h"

namespace loom::app {

std::span<const KeyRow> later_keys() { return {}; }  // there is none at present

}  // namespace loom::app
