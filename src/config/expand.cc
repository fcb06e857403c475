#include "expand.h"

#include <fmt/format.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <filesystem>

#include "text.h"

namespace loom::config {

namespace {

constexpr std::string_view file_prefix = "file:";

std::unexpected<std::string> wrong(std::string text) { return std::unexpected(std::move(text)); }

bool is_word(char c) { return is_name_byte(c) && c != '-'; }

bool is_variable_name(std::string_view name) {
    return !name.empty() && !(name[0] >= '0' && name[0] <= '9') && std::ranges::all_of(name, is_word);
}

std::string trim_lines(std::string_view text) {
    constexpr std::string_view blanks = " \t\r\n";
    const size_t first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos) return "";
    return std::string(text.substr(first, text.find_last_not_of(blanks) - first + 1));
}

class Expander {
  public:
    Expander(std::string_view raw, Quoting quoting, const std::string& directory, const Source& source)
        : rest_(raw), quoting_(quoting), directory_(directory), source_(source) {}

    Parsed<std::string> run() {
        while (!rest_.empty()) LOOM_TRY(step());
        return std::move(value_);
    }

  private:
    Parsed<void> step() {
        if (rest_.starts_with("$$")) return put("$", 2);
        if (rest_.starts_with("${")) return reference();
        if (rest_.front() == '\\' && quoting_ == Quoting::quoted) return escape();
        return put(rest_.substr(0, 1), 1);
    }

    Parsed<void> put(std::string_view text, size_t consumed) {
        value_ += text;
        rest_.remove_prefix(consumed);
        return {};
    }

    Parsed<void> escape() {
        if (rest_.starts_with("\\\"")) return put("\"", 2);
        if (rest_.starts_with("\\\\")) return put("\\", 2);
        if (rest_.starts_with("\\n")) return put("\n", 2);
        return wrong("inside quotes a backslash stands before \", \\ or n only; write \\\\ for a backslash");
    }

    Parsed<void> reference() {
        const size_t end = rest_.find('}');
        if (end == std::string_view::npos) return wrong("'${' without its '}'; write $$ for a dollar");
        const auto inside = rest_.substr(2, end - 2);
        if (inside.starts_with(file_prefix)) return put(LOOM_TRY(file(inside.substr(file_prefix.size()))), end + 1);
        return put(LOOM_TRY(variable(inside)), end + 1);
    }

    Parsed<std::string> variable(std::string_view inside) {
        const size_t dash = inside.find(":-");
        const std::string name(inside.substr(0, dash));
        if (!is_variable_name(name)) return wrong(fmt::format("'{}' is no name of a variable", printable(name)));
        auto value = source_.environment(name);
        if (value && value->size() > variable_bytes_max) {
            return wrong(fmt::format("variable {} holds more than {} bytes", name, variable_bytes_max));
        }
        if (dash == std::string_view::npos) {
            if (!value) return wrong(fmt::format("environment variable {} is not set", name));
            return *value;
        }
        const auto fallback = inside.substr(dash + 2);
        if (fallback.find('$') != std::string_view::npos)
            return wrong("a default in ${…} cannot refer to another variable");
        return value && !value->empty() ? *value
                                        : std::string(fallback);  // as a shell does: empty takes the default too
    }

    Parsed<std::string> file(std::string_view path) {
        const auto content = source_.read_file(resolve_path(directory_, std::string(path)), variable_bytes_max);
        if (!content) return wrong(fmt::format("cannot read file '{}': {}", path, read_failure(content.error())));
        return trim_lines(*content);
    }

    std::string_view rest_;
    Quoting quoting_;
    const std::string& directory_;
    const Source& source_;
    std::string value_;
};

}  // namespace

Parsed<std::string> expand(std::string_view raw, Quoting quoting, const std::string& directory, const Source& source) {
    return Expander(raw, quoting, directory, source).run();
}

// Looks no further than it must: asked at each dollar of a long text, the sum of all answers is still one reading of it.
size_t reference_bytes(std::string_view text) {
    if (!text.starts_with("${")) return 0;
    const auto inside = text.substr(2);
    if (inside.starts_with(file_prefix)) {
        const size_t end = inside.substr(0, file_prefix.size() + PATH_MAX).find('}');  // no longer path can be opened
        return end == std::string_view::npos || end == file_prefix.size() ? 0 : 2 + end + 1;
    }
    const auto name_end = std::ranges::find_if_not(inside, is_word);
    const auto name = std::string_view(inside.begin(), name_end);
    auto rest = inside.substr(name.size());
    if (!is_variable_name(name)) return 0;
    if (rest.starts_with(":-")) rest.remove_prefix(std::min(rest.find_first_of("}$"), rest.size()));
    return rest.starts_with('}') ? static_cast<size_t>(rest.data() + 1 - text.data()) : 0;
}

std::string resolve_path(const std::string& directory, const std::string& path) {
    return (std::filesystem::path(directory) / path).lexically_normal().string();
}

std::string read_failure(const Error& error) {
    if (error.code == Errc::too_large) return "it is too large";
    return error.sys_errno != 0 ? std::strerror(error.sys_errno) : error.what;
}

}  // namespace loom::config
