// What a Loom's ledger tells: its pages, and `loom ledger …`.
#pragma once

#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include "fixture.h"

namespace loom::wire {

[[nodiscard]] inline std::string usage_page(const LoomProcess& loom, const std::string& rest) {
    return ask_once(loom.admin_port(), request("GET", "/ai/usage" + rest)).body;
}

/// The first number of this name behind `from`; -1: there is none.
[[nodiscard]] inline long number_in(std::string_view page, std::string_view name, size_t from = 0) {
    const std::string key = "\"" + std::string(name) + "\":";
    const size_t at = page.find(key, from);
    return at == page.npos ? -1 : std::strtol(page.data() + at + key.size(), nullptr, 10);
}

/// The exit status of `loom` with these arguments, and what it says.
/// environment  "NAME=value …", of this run.
[[nodiscard]] inline std::pair<int, std::string> run_loom(const std::string& arguments,
                                                          const std::string& environment = "") {
    const std::string command = environment + " " + std::getenv("LOOM_BIN") + " " + arguments + " 2>&1";
    FILE* const pipe = ::popen(command.c_str(), "r");
    std::string text;
    std::array<char, 4096> part;
    while (const size_t size = std::fread(part.data(), 1, part.size(), pipe)) text.append(part.data(), size);
    const int status = ::pclose(pipe);
    return {WEXITSTATUS(status), text};
}

[[nodiscard]] inline std::pair<int, std::string> verify(const std::string& directory) {
    return run_loom("ledger verify " + directory);
}

}  // namespace loom::wire
