// What a wrong rule is told: the golden file has each rule and what is said of it.
// UPDATE_GOLDEN=1 writes it anew; read the difference.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "loom/rule/rule.h"

namespace loom::rule {
namespace {

constexpr std::string_view mark = "> ";

std::string said_of(const std::string& text) {
    const auto rule = Rule::compile(text);
    if (rule) return "  is a rule\n";
    std::string said;
    for (const Fault& fault : rule.error()) said += "  " + std::to_string(fault.column) + ": " + fault.text + "\n";
    return said;
}

TEST(RuleErrors, SayWhereAndWhatToDo) {
    const char* const path = std::getenv("RULE_ERRORS");
    ASSERT_NE(path, nullptr) << "RULE_ERRORS names the golden file, as meson test does";
    std::ifstream file(path);
    std::string line, golden, now;
    int count = 0;
    while (std::getline(file, line)) {
        golden += line + "\n";
        if (!line.starts_with(mark)) continue;
        const std::string text = line.substr(mark.size());
        const std::string said = said_of(text);
        EXPECT_NE(said, "  is a rule\n") << text;
        now += line + "\n" + said;
        count += 1;
    }
    EXPECT_GT(count, 50);
    if (std::getenv("UPDATE_GOLDEN") != nullptr) std::ofstream(path) << now;
    EXPECT_EQ(now, golden);
}

TEST(RuleErrors, PointIntoTheRule) {
    // Whatever is cut from a good rule, what is said of the rest has its place in it.
    const std::string whole =
        R"(model matches ["gpt-*", "é"] and not ("x" in roles || header["x-y"] > 8k) && time >= 09:30 and has(claim.a))";
    for (size_t end = 0; end <= whole.size(); ++end) {
        for (const std::string& text : {whole.substr(0, end), whole.substr(end)}) {
            const auto rule = Rule::compile(text);
            if (rule) continue;
            for (const Fault& fault : rule.error()) {
                EXPECT_GE(fault.column, 1u);
                EXPECT_LE(fault.column, text.size() + 1) << text;
                EXPECT_FALSE(fault.text.empty());
            }
        }
    }
}

}  // namespace
}  // namespace loom::rule
