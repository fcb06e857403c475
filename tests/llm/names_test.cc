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

TEST(WriteModels, HasTheShapeOfAnthropic) {
    const ModelEntry models[] = {{"claude", "anthropic", 1747180800}, {"a\"b", "loom", -1}};
    std::string out;
    ASSERT_TRUE(write_models(out, Protocol::anthropic, "", models));
    EXPECT_EQ(out,
              R"({"data":[{"type":"model","id":"claude","display_name":"claude","created_at":"2025-05-14T00:00:00Z"},)"
              R"({"type":"model","id":"a\"b","display_name":"a\"b","created_at":"1970-01-01T00:00:00Z"}],)"
              R"("has_more":false,"first_id":"claude","last_id":"a\"b"})");
    out.clear();
    ASSERT_TRUE(write_models(out, Protocol::anthropic, "", {}));
    EXPECT_EQ(out, R"({"data":[],"has_more":false,"first_id":null,"last_id":null})");
    out.clear();
    write_model(out, Protocol::anthropic, models[0]);
    EXPECT_EQ(out, R"({"type":"model","id":"claude","display_name":"claude","created_at":"2025-05-14T00:00:00Z"})");
}

TEST(WriteModels, HasTheShapeOfGemini) {
    const ModelEntry models[] = {{"org/gem"}, {"emb", "google", 0, true}};
    std::string out;
    ASSERT_TRUE(write_models(out, Protocol::gemini, "key=secret", models));
    EXPECT_EQ(out, R"({"models":[{"name":"models/org/gem","displayName":"org/gem",)"
                   R"("supportedGenerationMethods":["generateContent","streamGenerateContent","countTokens"]},)"
                   R"({"name":"models/emb","displayName":"emb","supportedGenerationMethods":["embedContent"]}]})");
    out.clear();
    write_model(out, Protocol::gemini, models[1]);
    EXPECT_EQ(out, R"({"name":"models/emb","displayName":"emb","supportedGenerationMethods":["embedContent"]})");
    out.clear();
    ASSERT_TRUE(write_models(out, Protocol::openai_responses, "limit=1", models));
    EXPECT_TRUE(out.starts_with(R"({"object":"list","data":[{"id":"org/gem")"));
}

/// Page by page, of any size, forwards and backwards: every model once, in its order.
TEST(WriteModels, PagesLeaveNothingOut) {
    std::vector<std::string> ids;
    for (int i = 0; i < 23; ++i) ids.push_back("org/m " + std::to_string(i));
    std::vector<ModelEntry> models;
    for (const std::string& id : ids) models.push_back({id});
    const auto encoded = [](std::string id) {
        for (size_t at = 0; (at = id.find_first_of("/ ", at)) != id.npos;)
            id.replace(at, 1, id[at] == '/' ? "%2F" : "%20");
        return id;
    };
    for (size_t size = 1; size <= 30; ++size) {
        SCOPED_TRACE(size);
        std::vector<std::string> seen, seen_back, seen_gemini;
        std::string cursor;
        for (bool more = true; more;) {
            std::string out;
            ASSERT_TRUE(write_models(out, Protocol::anthropic, "limit=" + std::to_string(size) + cursor, models));
            Dom dom(out);
            for (size_t i = 0; i < dom.size("/data"); ++i)
                seen.push_back(dom.text("/data/" + std::to_string(i) + "/id"));
            more = out.find("\"has_more\":true") != out.npos;
            cursor = "&after_id=" + encoded(dom.text("/last_id"));
        }
        cursor = "&before_id=" + encoded(ids.back());
        for (bool more = true; more;) {
            std::string out;
            ASSERT_TRUE(write_models(out, Protocol::anthropic, "limit=" + std::to_string(size) + cursor, models));
            Dom dom(out);
            for (size_t i = dom.size("/data"); i-- > 0;)
                seen_back.push_back(dom.text("/data/" + std::to_string(i) + "/id"));
            more = out.find("\"has_more\":true") != out.npos;
            cursor = "&before_id=" + encoded(dom.text("/first_id"));
        }
        cursor = "";
        for (bool more = true; more;) {
            std::string out;
            ASSERT_TRUE(write_models(out, Protocol::gemini, "pageSize=" + std::to_string(size) + cursor, models));
            Dom dom(out);
            for (size_t i = 0; i < dom.size("/models"); ++i)
                seen_gemini.push_back(dom.text("/models/" + std::to_string(i) + "/displayName"));
            more = dom.has("/nextPageToken");
            if (more) cursor = "&pageToken=" + encoded(dom.text("/nextPageToken"));
        }
        EXPECT_EQ(seen, ids);
        EXPECT_EQ(seen_gemini, ids);
        EXPECT_EQ(seen_back, std::vector<std::string>(ids.rbegin() + 1, ids.rend()));
    }
}

TEST(WriteModels, BadPagesAreRefused) {
    const ModelEntry models[] = {{"a"}, {"b"}};
    for (const std::string_view query :
         {"limit=0", "limit=1001", "limit=x", "limit=-1", "limit=", "after_id=c", "before_id=c"}) {
        std::string out = "x";
        const Result<void> step = write_models(out, Protocol::anthropic, query, models);
        ASSERT_FALSE(step) << query;
        EXPECT_EQ(step.error().code, Errc::bad_message);
        EXPECT_EQ(out, "x");
    }
    std::string out;
    EXPECT_FALSE(write_models(out, Protocol::gemini, "pageToken=c", models));
    EXPECT_FALSE(write_models(out, Protocol::gemini, "pageSize=0", models));
    EXPECT_TRUE(write_models(out, Protocol::gemini, "pageSize=9999&pageToken=", models));
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
