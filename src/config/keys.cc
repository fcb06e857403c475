#include "loom/config/keys.h"

namespace loom::config {

namespace {
constexpr KeyRow rows[] = {
    {.pattern = "include",
     .type = KeyType::path,
     .meaning = "reads more files, relative to this one, sorted by name: conf.d/*.conf",
     .repeatable = true},
};
}

std::span<const KeyRow> keys() { return rows; }

}  // namespace loom::config
