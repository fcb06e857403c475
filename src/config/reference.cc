#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "loom/config/keys.h"
#include "text.h"

namespace loom::config {

namespace {

constexpr size_t comment_columns = 116;

/// "choice: priority, model", "integer or auto", "secret, repeatable, needs a restart".
std::string describe_type(const KeyRow& row) {
    std::string text = type_name(row.type);
    const auto words = choices_of(row, Choices::available);
    const bool closed = row.type == KeyType::choice || row.type == KeyType::list;
    if (!words.empty()) text += fmt::format("{}{}", closed ? " of " : " or ", fmt::join(words, "|"));
    if (*row.range != '\0') text += fmt::format(" {}", row.range);
    if (row.repeatable) text += ", repeatable";
    if (row.change == KeyChange::restart) text += ", restart";
    return text;
}

std::string describe_meaning(const KeyRow& row) {
    if (*row.alias_of != '\0') return fmt::format("another spelling of {}", row.alias_of);
    return row.meaning;
}

/// `text` as comment lines of a bearable length, broken at blanks.
std::string comment(std::string_view text) {
    std::string lines;
    while (!text.empty()) {
        size_t end = text.size();
        if (end > comment_columns) end = text.rfind(' ', comment_columns);
        if (end == std::string_view::npos || end == 0) end = text.size();
        lines += fmt::format("# {}\n", text.substr(0, end));
        text = trim(text.substr(end));
    }
    return lines;
}

std::string conf_entry(const KeyRow& row) {
    if (*row.alias_of != '\0') return fmt::format("# {}: {}.\n\n", row.pattern, describe_meaning(row));
    const auto about = comment(fmt::format("{}. ({})", row.meaning, describe_type(row)));
    const std::string_view fallback = row.default_text;
    return fmt::format("{}#{} ={}{}\n\n", about, row.pattern, fallback.empty() ? "" : " ", fallback);
}

std::string_view first_word(const KeyRow& row) {
    const std::string_view pattern = row.pattern;
    return pattern.substr(0, pattern.find('.'));
}

/// The groups of the reference, in the order of the table: `timeout` is one, whichever folders its keys come from.
std::vector<std::string_view> first_words(const Schema& schema) {
    std::vector<std::string_view> words;
    for (const auto& item : schema.rows()) {
        const auto word = first_word(*item.row);
        if (std::ranges::find(words, word) == words.end()) words.push_back(word);
    }
    return words;
}

constexpr std::string_view conf_head =
    "# Every key of this version of Loom, commented out at its default: copy the lines you want to change.\n"
    "# Written by `loom --keys --conf` from the table that the parser reads, so it cannot lag behind.\n"
    "#\n"
    "# <name>, <provider>, <model> and <header> stand for names of your own. A `#` begins a comment at the line's "
    "start\n"
    "# or after a space; quotes keep spaces and `#`; a trailing \\ continues the line. ${NAME} is the environment,\n"
    "# ${NAME:-default} has a default, ${file:/run/secrets/x} is a file's content, $$ is a dollar. What says "
    "`restart`\n"
    "# takes effect at the next start, all else on SIGHUP. Check a file with `loom --check FILE`.\n\n";

}  // namespace

std::string key_list(const Schema& schema) {
    std::string text;
    for (const auto& item : schema.rows()) {
        const KeyRow& row = *item.row;
        const std::string_view fallback = *row.default_text == '\0' ? "-" : row.default_text;
        text +=
            fmt::format("{:<44} {:<28} {:<16} {}\n", row.pattern, describe_type(row), fallback, describe_meaning(row));
    }
    return text;
}

std::string reference_conf(const Schema& schema) {
    std::string text(conf_head);
    for (const auto word : first_words(schema)) {
        text += fmt::format("# {:=<{}}\n\n", fmt::format("{} ", word), comment_columns);
        for (const auto& item : schema.rows()) {
            if (first_word(*item.row) == word) text += conf_entry(*item.row);
        }
    }
    text.pop_back();  // one newline at the end of the file
    return text;
}

}  // namespace loom::config
