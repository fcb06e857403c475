#include "loom/route/route_table.h"

#include <gtest/gtest.h>

namespace loom::route {
namespace {

RouteTable table_of(std::initializer_list<const char*> paths) {
    RouteTable table;
    uint32_t index = 0;
    for (const char* path : paths) {
        const auto added = table.add(path, index++);
        EXPECT_TRUE(added) << added.error();
    }
    return table;
}

TEST(RouteTable, AnExactPathIsThatPathOnly) {
    const RouteTable table = table_of({"/v1/models"});
    EXPECT_EQ(table.find("/v1/models"), 0u);
    for (const char* path : {"/v1/models/", "/v1/model", "/v1/models/gpt-4", "/V1/models", "v1/models", "", "/"})
        EXPECT_EQ(table.find(path), no_route) << path;
}

TEST(RouteTable, APrefixCoversAllBelowIt) {
    const RouteTable table = table_of({"/v1/*"});
    for (const char* path : {"/v1/", "/v1/models", "/v1/chat/completions", "/v1//"})
        EXPECT_EQ(table.find(path), 0u) << path;
    for (const char* path : {"/v1", "/v10/models", "/", "/v2/models"}) EXPECT_EQ(table.find(path), no_route) << path;
}

TEST(RouteTable, TheLongestMatchWinsWhateverTheOrder) {
    for (const RouteTable& table : {table_of({"/*", "/v1/*", "/v1/chat/*", "/v1/chat/completions"})}) {
        EXPECT_EQ(table.find("/v1/chat/completions"), 3u);
        EXPECT_EQ(table.find("/v1/chat/other"), 2u);
        EXPECT_EQ(table.find("/v1/chat"), 1u);
        EXPECT_EQ(table.find("/index.html"), 0u);
        EXPECT_EQ(table.find("/"), 0u);
    }
    const RouteTable reversed = table_of({"/v1/chat/completions", "/v1/chat/*", "/v1/*", "/*"});
    EXPECT_EQ(reversed.find("/v1/chat/completions"), 0u);
    EXPECT_EQ(reversed.find("/v1/chat/other"), 1u);
}

TEST(RouteTable, SeveralPathsMayLeadToOneRoute) {
    RouteTable table;
    EXPECT_TRUE(table.add("/v1/*", 7));
    EXPECT_TRUE(table.add("/openai/v1/*", 7));
    EXPECT_EQ(table.find("/openai/v1/models"), 7u);
}

TEST(RouteTable, RefusesPathsThatCouldNeverMatchOrAreTaken) {
    RouteTable table;
    EXPECT_TRUE(table.add("/v1/*", 0));
    for (const char* path : {"", "*", "v1/*", "/v1*", "/v1/*/chat", "/v1/**", "/v1?x=1", "/v1#x", "/v1/*"})
        EXPECT_FALSE(table.add(path, 1)) << path;
}

TEST(RouteTable, HasNoRouteWhenEmpty) { EXPECT_EQ(RouteTable().find("/v1/models"), no_route); }

}  // namespace
}  // namespace loom::route
