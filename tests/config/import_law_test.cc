// The law: what import writes, load reads back as the values the YAML held. Random trees over a table of every type.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "expand.h"
#include "loom/config/config.h"
#include "loom/config/import.h"

namespace loom::config {
namespace {

using enum KeyType;

constexpr KeyRow rows[] = {
    {.pattern = "flag", .type = boolean},
    {.pattern = "deep.er.number", .type = integer},
    {.pattern = "deep.er.share", .type = share},
    {.pattern = "deep.wait", .type = duration},
    {.pattern = "deep.text", .type = text},
    {.pattern = "crates", .type = list},
    {.pattern = "crate.<name>.text", .type = text},
    {.pattern = "crate.<name>.secret", .type = secret},
    {.pattern = "crate.<name>.items", .type = list},
    {.pattern = "crate.<name>.header.<header>", .type = text},
    {.pattern = "crate.<name>.inner.<model>.size", .type = size},
    {.pattern = "mapping.<model>.<name>", .type = text},
};

const Schema& schema() {
    static const std::span<const KeyRow> tables[] = {rows};
    static const Schema schema(tables);
    return schema;
}

class Tree {
  public:
    explicit Tree(uint32_t seed) : random_(seed) {}

    std::string yaml() {
        std::string text = comment("");
        if (chance()) text += "flag: " + typed("flag", pick({"true", "off", "yes"})) + comment(" ");
        if (chance()) text += deep();
        if (chance()) text += crates();
        if (chance()) text += mapping();
        return text;
    }
    std::map<std::string, std::vector<std::string>> expected;  // key → its one value, or its items

  private:
    std::string deep() {
        std::string text = "deep:\n  er:\n    number: " + typed("deep.er.number", std::to_string(number(9999))) + "\n";
        text += "    share: " + typed("deep.er.share", "0." + std::to_string(number(99))) + comment(" ");
        text += "  wait: " + typed("deep.wait", std::to_string(number(99)) + "ms") + "\n";
        return text + "  text: " + free("deep.text", 2) + comment(" ");
    }

    std::string crates() {
        const bool as_list = chance();
        std::string text = "crates:\n";
        const size_t count = 1 + number(3);
        for (size_t i = 0; i < count; i++) {
            const auto name = "b" + std::to_string(i) + pick({"", "-x", "_Y"});
            const auto prefix = "crate." + name;
            expected["crates"].push_back(name);
            text += as_list ? "  - name: " + name + comment(" ") : "  " + name + ":\n";
            text += "    text: " + free(prefix + ".text", 4) + comment(" ");
            if (chance()) text += "    secret: " + free(prefix + ".secret", 4) + "\n";
            if (chance()) text += "    items: " + items(prefix + ".items") + comment(" ");
            if (chance()) text += "    headers: {X-A.b: " + quoted(prefix + ".header.X-A.b") + "}\n";
            if (chance())
                text += "    inner:\n      gpt-4.1/x:y: {size: " + typed(prefix + ".inner.gpt-4.1/x:y.size", "4KiB") +
                        "}\n";
        }
        return text;
    }

    std::string mapping() {
        return "mapping:\n  'a.b.c': {n1: " + quoted("mapping.a.b.c.n1") + ", n2: " + quoted("mapping.a.b.c.n2") + "}" +
               comment(" ") + "  m:\n    n: " + free("mapping.m.n", 4) + "\n";
    }

    std::string typed(const std::string& key, const std::string& value) {
        expected[key] = {value};
        return chance() ? value : "'" + value + "'";
    }

    /// In one of YAML's styles; a block one where the value fits it.
    std::string free(const std::string& key, size_t indent) {
        const auto value = any_text();
        expected[key] = {value};
        const bool fits_block = !value.empty() && value.front() != ' ' && value.front() != '\t' &&
                                value.front() != '\n' && value.back() != '\n';
        if (!fits_block || chance()) return in_quotes(value);
        std::string block = "|-\n" + std::string(indent + 2, ' ');
        for (const char c : value) block += c == '\n' ? "\n" + std::string(indent + 2, ' ') : std::string(1, c);
        is_block_ = true;
        return block;
    }
    std::string quoted(const std::string& key) {
        const auto value = any_text();
        expected[key] = {value};
        return in_quotes(value);
    }
    std::string items(const std::string& key) {
        std::string text = "[";
        auto& values = expected[key];
        const size_t count = number(4);
        for (size_t i = 0; i < count; i++) {
            auto value = any_text();
            if (count > 1) std::erase(value, '\n');  // has no spelling in a list, see ImportErrors
            values.push_back(value);
            text += in_quotes(value) + ", ";
        }
        return text + "]";
    }

    std::string in_quotes(const std::string& value) {
        if (chance() && value.find('\n') == std::string::npos) {
            std::string text = "'";
            for (const char c : value) text += c == '\'' ? "''" : std::string(1, c);
            return text + "'";
        }
        std::string text = "\"";
        for (const char c : value) {
            if (c == '\n') {
                text += "\\n";
            } else {
                if (c == '"' || c == '\\') text += '\\';
                text += c;
            }
        }
        return text + "\"";
    }

    /// Every byte that means something to one of the two grammars, and a few that do not. No reference: these are not
    /// text (Import.ADollarThatIsNoReferenceStaysOne has them).
    std::string any_text() {
        constexpr std::string_view bytes = "#\"\\$${}[],:- \t='\n|>&*!%@`~?ab1";
        for (;;) {
            std::string text;
            const size_t size = number(12);
            for (size_t i = 0; i < size; i++)
                text += number(20) == 0 ? "é" : std::string(1, bytes[number(bytes.size())]);
            bool refers = false;
            for (size_t i = 0; i < text.size(); i++)
                refers = refers || reference_bytes(std::string_view(text).substr(i)) > 0;
            if (!refers) return text;
        }
    }

    /// The end of a line, with a comment now and then.
    std::string comment(const std::string& before) {
        const bool is_block = std::exchange(is_block_, false);
        if (is_block || chance()) return "\n";
        return before + "# a \"comment\" = \\ ${X}\n" + (chance() ? "\n" : "");
    }
    std::string pick(std::initializer_list<const char*> words) { return *(words.begin() + number(words.size())); }
    size_t number(size_t below) { return std::uniform_int_distribution<size_t>(0, below - 1)(random_); }
    bool chance() { return number(2) == 0; }

    std::mt19937 random_;
    bool is_block_ = false;
};

TEST(ImportLaw, LoadReadsBackWhatTheYamlHeld) {
    for (uint32_t seed = 1; seed <= 3000; seed++) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Tree tree(seed);
        const auto yaml = tree.yaml();
        if (tree.expected.empty()) continue;
        const auto imported = import_yaml(yaml, "x.yaml", schema());
        ASSERT_FALSE(has_error(imported.diagnostics)) << yaml << to_string(imported.diagnostics.front());
        Source source;
        source.read_file = [&](const std::string&, size_t) -> Result<std::string> { return imported.conf; };
        const auto loaded = load("x.conf", {}, schema(), source);
        ASSERT_TRUE(loaded.config) << yaml << imported.conf << to_string(loaded.diagnostics.front());
        ASSERT_EQ(loaded.config->keys().size(), tree.expected.size()) << yaml << imported.conf;
        for (const auto& [key, values] : tree.expected) {
            ASSERT_TRUE(loaded.config->has(key)) << key << "\n" << yaml << imported.conf;
            if (schema().match(key)->row->type == list) {
                ASSERT_EQ(loaded.config->list(key), values) << key << "\n" << yaml << imported.conf;
            } else {
                ASSERT_EQ(loaded.config->text(key), values.front()) << key << "\n" << yaml << imported.conf;
            }
        }
    }
}

}  // namespace
}  // namespace loom::config
