// Keys, and what lies on a disk, for tests of what is encrypted there.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "loom/store/vault.h"

namespace loom::store {

inline StateKey test_key(char digit = '1') {
    auto key = parse_state_key(std::string(64, digit));
    EXPECT_TRUE(key);
    return *key;
}
inline VaultPtr test_vault(char digit = '1') { return std::make_shared<const Vault>(test_key(digit)); }

inline std::string bytes_in(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}
inline void put_bytes(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

/// The first file below it that holds the text; "": none.
inline std::string file_with(const std::string& directory, const std::string& text) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory))
        if (entry.is_regular_file() && bytes_in(entry.path().string()).contains(text)) return entry.path().string();
    return "";
}

}  // namespace loom::store
