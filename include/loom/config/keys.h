// Rows of the keys that config itself understands, and the two texts made from the whole table.
#pragma once

#include <span>
#include <string>

#include "loom/base/key_row.h"
#include "loom/config/schema.h"

namespace loom::config {

[[nodiscard]] std::span<const KeyRow> keys();

/// `loom --keys`: a line for each key: name, type, default, meaning.
[[nodiscard]] std::string key_list(const Schema& schema);

/// `loom --keys --conf`: conf/loom.conf, each key of this version commented out at its default.
[[nodiscard]] std::string reference_conf(const Schema& schema);

}  // namespace loom::config
