// How a script is called: EVALSHA with the name that the server keeps it by, EVAL with its text where it does not.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "loom/base/crypto.h"
#include "loom/store/lease_script.h"
#include "loom/store/redis_protocol.h"

namespace loom::store {

inline RedisScript make_redis_script(std::string_view text) {
    RedisScript script{.text = text, .sha1 = {}};
    for (const uint8_t byte : sha1(text)) fmt::format_to(std::back_inserter(script.sha1), "{:02x}", byte);
    return script;
}

inline std::string script_command(const RedisScript& script, const std::vector<std::string>& keys,
                                  const std::vector<std::string>& arguments, bool with_script) {
    const std::string key_count = fmt::format_int(keys.size()).str();
    std::vector<std::string_view> words;
    words.reserve(3 + keys.size() + arguments.size());
    words.push_back(with_script ? "EVAL" : "EVALSHA");
    words.push_back(with_script ? script.text : std::string_view(script.sha1));
    words.push_back(key_count);
    words.insert(words.end(), keys.begin(), keys.end());
    words.insert(words.end(), arguments.begin(), arguments.end());
    return redis_command(words);
}

}  // namespace loom::store
