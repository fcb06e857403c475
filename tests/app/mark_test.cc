#include "plan/mark.h"

#include <gtest/gtest.h>

#include <set>

namespace loom::app {
namespace {

using Row = std::vector<std::string>;

std::string marked(const std::string& name, const Row& first, const Row& second, const std::string& last = "") {
    Mark mark;
    mark.add(name);
    mark.add_list(first);
    mark.add_list(second);
    mark.add(last);
    return mark.text();
}

/// Values are an operator's, and may hold any sign that could stand between them.
TEST(Mark, NoTwoRowsReadAlike) {
    const std::set<std::string> marks = {
        marked("a", {"b", "c"}, {}),     marked("a", {"b"}, {"c"}),     marked("a", {}, {"b", "c"}),
        marked("a", {"b,c"}, {}),        marked("a", {"b,", "c"}, {}),  marked("a\nb", {"c"}, {}),
        marked("a", {"b\nc"}, {}),       marked("a", {"1:b"}, {}, "c"), marked("a", {"b"}, {}, "1:c"),
        marked("a", {"", "b"}, {"c"}),   marked("a", {"b", ""}, {"c"}), marked("", {"a", "b"}, {"c"}),
        marked("a", {"b1:", "c"}, {""}), marked("1:a", {"b", "c"}, {}),
    };
    EXPECT_EQ(marks.size(), 14u);
}

}  // namespace
}  // namespace loom::app
