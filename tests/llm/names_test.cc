#include "loom/llm/names.h"

#include <gtest/gtest.h>

#include <vector>

#include "dom.h"
#include "loom/llm/models.h"

namespace loom::llm {
namespace {

TEST(EditDistance, CountsInsertsDeletesReplacesAndSwaps) {
    EXPECT_EQ(edit_distance("gpt-4o", "gpt-4o", 5), 0u);
    EXPECT_EQ(edit_distance("GPT-4o", "gpt-4O", 5), 0u);
    EXPECT_EQ(edit_distance("gpt4o", "gpt-4o", 5), 1u);
    EXPECT_EQ(edit_distance("gpt-o4", "gpt-4o", 5), 1u);
    EXPECT_EQ(edit_distance("kitten", "sitting", 5), 3u);
    EXPECT_EQ(edit_distance("", "abc", 5), 3u);
    EXPECT_EQ(edit_distance("kitten", "sitting", 2), 3u);
    EXPECT_EQ(edit_distance("a", std::string(500, 'b'), 4), 5u);
}

TEST(NearestName, SaysWhatWasMeantOrNothing) {
    const std::vector<std::string_view> known{"gpt-4o", "gpt-4o-mini", "claude-sonnet-4-20250514",
                                              "text-embedding-3-small"};
    EXPECT_EQ(nearest_name("gpt4o", known), "gpt-4o");
    EXPECT_EQ(nearest_name("gpt-4-mini", known), "gpt-4o-mini");
    EXPECT_EQ(nearest_name("claude-sonnet-4", known), "claude-sonnet-4-20250514");
    EXPECT_EQ(nearest_name("text-embeding-3-smal", known), "text-embedding-3-small");
    EXPECT_EQ(nearest_name("llama-70b", known), "");
    EXPECT_EQ(nearest_name("", known), "");
    EXPECT_EQ(nearest_name("gpt-4o", {}), "");
    EXPECT_EQ(nearest_name(std::string(5000, 'x'), known), "");
}

TEST(WriteModels, HasTheShapeOfOpenAi) {
    const ModelEntry models[] = {{"gpt-4o", "openai", 1700000000}, {"a\"b", "loom", 0}};
    std::string out;
    write_models(out, models);
    EXPECT_EQ(out,
              R"({"object":"list","data":[{"id":"gpt-4o","object":"model","created":1700000000,"owned_by":"openai"},)"
              R"({"id":"a\"b","object":"model","created":0,"owned_by":"loom"}]})");
    out.clear();
    write_models(out, {});
    EXPECT_EQ(out, R"({"object":"list","data":[]})");
}

TEST(DecodePathId, DecodesOrLeavesAlone) {
    std::string out = "x";
    EXPECT_TRUE(decode_path_id("org%2Fname%3a1", out));
    EXPECT_EQ(out, "xorg/name:1");
    for (const std::string_view broken : {"a%", "a%2", "a%zz", "%-1"}) {
        EXPECT_FALSE(decode_path_id(broken, out)) << broken;
        EXPECT_EQ(out, "xorg/name:1");
    }
}

}  // namespace
}  // namespace loom::llm
