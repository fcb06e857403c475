#include "loom/http/head_writer.h"

#include <ctime>

#include "support.h"

namespace loom::http::test {
namespace {

TEST(HeadWriter, WritesAnAnswer) {
    char buffer[256];
    HeadWriter writer(buffer, sizeof buffer);
    writer.status(200).header("content-type", "application/json").header("content-length", 123).raw("server: loom\r\n");
    writer.date("Sun, 06 Nov 1994 08:49:37 GMT").end();
    ASSERT_TRUE(writer.ok());
    EXPECT_EQ(writer.view(),
              "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 123\r\nserver: loom\r\n"
              "date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n");
    const ResponseHead head = response(writer.view());
    EXPECT_EQ(head.content_length, 123u);
}

TEST(HeadWriter, WritesARequest) {
    char buffer[256];
    HeadWriter writer(buffer, sizeof buffer);
    writer.request_line("POST", "/v1", "/chat/completions?a=b")
        .header("host", "a")
        .header("authorization", "Bearer ", "k")
        .end();
    ASSERT_TRUE(writer.ok());
    EXPECT_EQ(writer.view(), "POST /v1/chat/completions?a=b HTTP/1.1\r\nhost: a\r\nauthorization: Bearer k\r\n\r\n");
}

TEST(HeadWriter, NeverWritesPastItsBuffer) {
    char whole[128];
    const auto write = [](HeadWriter& writer) {
        writer.status(404).header("a", "value").header("b", 18446744073709551615u).end();
    };
    HeadWriter enough(whole, sizeof whole);
    write(enough);
    ASSERT_TRUE(enough.ok());
    for (size_t capacity = 0; capacity <= enough.size(); ++capacity) {
        const std::unique_ptr<char[]> buffer(new char[capacity]);  // ASan watches its end
        HeadWriter writer(buffer.get(), capacity);
        write(writer);
        EXPECT_EQ(writer.ok(), capacity == enough.size());
        EXPECT_EQ(writer.overflowed(), capacity < enough.size());
        EXPECT_LE(writer.size(), capacity);
    }
}

TEST(HeadWriter, RefusesWhatWouldSplitTheHead) {
    const auto refuses = [](auto write) {
        char buffer[256];
        HeadWriter writer(buffer, sizeof buffer);
        write(writer);
        writer.header("later", "x").end();
        return writer.refused_value();
    };
    EXPECT_TRUE(refuses([](HeadWriter& w) { w.header("a", "b\r\nset-cookie: c"); }));
    EXPECT_TRUE(refuses([](HeadWriter& w) { w.header("a", "b\nc"); }));
    EXPECT_TRUE(refuses([](HeadWriter& w) { w.header("a", "b\0c"sv); }));
    EXPECT_TRUE(refuses([](HeadWriter& w) { w.header("a", "b", "\r"); }));
    EXPECT_TRUE(refuses([](HeadWriter& w) { w.header("a: b\r\nc", "d"); }));
    EXPECT_TRUE(refuses([](HeadWriter& w) { w.header("", "d"); }));
    EXPECT_TRUE(refuses([](HeadWriter& w) { w.status(200, "OK\r\nx: y"); }));
    EXPECT_TRUE(refuses([](HeadWriter& w) { w.status(20); }));
    EXPECT_TRUE(refuses([](HeadWriter& w) { w.request_line("GET", "/a b"); }));
    EXPECT_TRUE(refuses([](HeadWriter& w) { w.request_line("GET", "/a\r\nx"); }));
    EXPECT_FALSE(refuses([](HeadWriter& w) { w.header("a", "caf\xc3\xa9\t!"); }));
}

TEST(Date, IsTheOneOfTheRfc) {
    char text[date_bytes];
    format_date(784111777, text);
    EXPECT_EQ(std::string_view(text, date_bytes), "Sun, 06 Nov 1994 08:49:37 GMT");
}

TEST(Date, AgreesWithTheLibraryThroughTheCenturies) {
    for (int64_t at = 0; at < 253402300799; at += 86400 * 31 + 3661 * 7) {
        char expected[64];
        std::tm parts{};
        const auto seconds = static_cast<time_t>(at);
        gmtime_r(&seconds, &parts);
        std::strftime(expected, sizeof expected, "%a, %d %b %Y %H:%M:%S GMT", &parts);
        char text[date_bytes];
        format_date(at, text);
        ASSERT_EQ(std::string_view(text, date_bytes), expected) << at;
    }
}

}  // namespace
}  // namespace loom::http::test
