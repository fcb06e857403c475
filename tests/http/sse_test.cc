#include "loom/http/sse.h"

#include "support.h"

namespace loom::http::test {
namespace {

struct Seen {
    std::string event, id, data;
    bool has_data, comment_only;
    bool operator==(const Seen&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Seen& seen) {
    return out << "{" << seen.event << "|" << seen.id << "|" << seen.data << "|" << seen.has_data << seen.comment_only
               << "}";
}

Seen parsed(std::string_view whole) {
    SseEvent event;
    char scratch[256];
    const Exact bytes(whole);
    EXPECT_TRUE(parse_event(bytes.view(), event, scratch)) << whole;
    if (event.data_in_place) {
        EXPECT_EQ(bytes.view().substr(event.data_offset, event.data.size()), event.data);
    }
    return {std::string(event.event), std::string(event.id), std::string(event.data), event.has_data,
            event.comment_only};
}

/// What a reader sees when `stream` comes in the given pieces.
std::vector<Seen> events_of(std::string_view stream, const std::vector<size_t>& cuts) {
    std::vector<Seen> events;
    SseSplitter splitter;
    std::string held;
    size_t from = 0;
    for (size_t i = 0; i <= cuts.size(); ++i) {
        const size_t to = i == cuts.size() ? stream.size() : cuts[i];
        const Exact piece(stream.substr(from, to - from));
        std::string_view rest = piece.view();
        while (size_t end = splitter.next_event_end(rest)) {
            held += rest.substr(0, end);
            rest.remove_prefix(end);
            events.push_back(parsed(held));
            EXPECT_TRUE(splitter.at_event_boundary());
            held.clear();
        }
        held += rest;
        from = to;
    }
    return events;
}

std::vector<Seen> every_way(std::string_view stream) {
    const auto whole = events_of(stream, {});
    for (size_t cut = 0; cut <= stream.size(); ++cut) EXPECT_EQ(events_of(stream, {cut}), whole) << "cut at " << cut;
    for (size_t a = 0; a <= stream.size(); ++a) {
        for (size_t b = a; b <= stream.size() && stream.size() < 80; ++b)
            EXPECT_EQ(events_of(stream, {a, b}), whole) << "cut at " << a << " and " << b;
    }
    std::vector<size_t> bytewise;
    for (size_t i = 1; i < stream.size(); ++i) bytewise.push_back(i);
    EXPECT_EQ(events_of(stream, bytewise), whole) << "byte by byte";
    return whole;
}

Seen data(std::string_view text) { return {"", "", std::string(text), true, false}; }

TEST(Sse, EndsEventsWithABlankLineInAnySpelling) {
    for (std::string_view end : {"\n", "\r\n", "\r"}) {
        const std::string eol(end);
        const auto events = every_way("data: a" + eol + eol + "data: b" + eol + "event: x" + eol + eol);
        ASSERT_EQ(events.size(), 2u);
        EXPECT_EQ(events[0], data("a"));
        EXPECT_EQ(events[1], (Seen{"x", "", "b", true, false}));
    }
}

TEST(Sse, TakesMixedLineEnds) {
    EXPECT_EQ(every_way("data: a\r\n\ndata: b\n\r\ndata: c\r\n\rdata: d\r\r\n").size(), 4u);
    EXPECT_EQ(every_way("data: a\rdata: b\ndata: c\r\n\r\n"), std::vector<Seen>{data("a\nb\nc")});
}

TEST(Sse, MakesNoEventOfBlankLines) {
    EXPECT_EQ(every_way("\n\n\r\n\r\r"), std::vector<Seen>{});
    EXPECT_EQ(every_way("\n\ndata: a\n\n\n\n\r\n\rdata: b\n\n\n"), (std::vector<Seen>{data("a"), data("b")}));
}

TEST(Sse, MakesNoEventOfTheLfBehindTheLastCr) {
    SseSplitter splitter;
    EXPECT_EQ(splitter.next_event_end("data: a\r\n\r"), 10u) << "at once: no waiting for an LF that may not come";
    EXPECT_EQ(splitter.next_event_end("\n"), 0u);
    EXPECT_TRUE(splitter.at_event_boundary());
    EXPECT_EQ(splitter.next_event_end("data: b\n\n"), 9u);
}

TEST(Sse, TakesTheLfIntoTheEventWhenItIsThere) {
    SseSplitter splitter;
    EXPECT_EQ(splitter.next_event_end("data: a\r\n\r\ndata: b"), 11u);
}

TEST(Sse, TakesOneSpaceOffOrNone) {
    EXPECT_EQ(parsed("data:a\n\n"), data("a"));
    EXPECT_EQ(parsed("data: a\n\n"), data("a"));
    EXPECT_EQ(parsed("data:  a \n\n"), data(" a "));
    EXPECT_EQ(parsed("data:\n\n"), data(""));
    EXPECT_EQ(parsed("data\n\n"), data(""));
    EXPECT_EQ(parsed("data\ndata\n\n"), data("\n"));
    EXPECT_EQ(parsed("data:a:b\n\n"), data("a:b"));
    EXPECT_EQ(parsed("data : a\n\n"), (Seen{"", "", "", false, false})) << "another field's name";
    EXPECT_EQ(parsed("Data: a\n\n"), (Seen{"", "", "", false, false}));
}

TEST(Sse, KnowsCommentsFromFields) {
    EXPECT_EQ(parsed(": ping\n\n"), (Seen{"", "", "", false, true}));
    EXPECT_EQ(parsed(":\n\n"), (Seen{"", "", "", false, true}));
    EXPECT_EQ(parsed(": ping\ndata: a\n\n"), data("a"));
    EXPECT_EQ(parsed(": ping\nretry: 3\n\n"), (Seen{"", "", "", false, false}));
    EXPECT_EQ(every_way(": ping\n\n: OPENROUTER PROCESSING\r\n\r\ndata: [DONE]\n\n").size(), 3u);
}

TEST(Sse, ReadsTypeAndId) {
    EXPECT_EQ(parsed("event: message_start\nid: 7\ndata: {}\n\n"), (Seen{"message_start", "7", "{}", true, false}));
    EXPECT_EQ(parsed("event: a\nevent: b\nid: 1\0\n\n"sv), (Seen{"b", "", "", false, false}));
}

TEST(Sse, ReadsOverAByteOrderMark) {
    EXPECT_EQ(every_way("\xEF\xBB\xBF"
                        "data: a\n\ndata: b\n\n"),
              (std::vector<Seen>{data("a"), data("b")}));
}

TEST(Sse, KeepsUtf8AndLongLinesWhole) {
    std::string text;
    for (int i = 0; i < 40; ++i) text += "d\xc3\xa9j\xc3\xa0 \xf0\x9f\x8c\x8d ";
    EXPECT_EQ(every_way("data: " + text + "x\n\n").front().data, text + "x");
}

TEST(Sse, LeavesAnUnfinishedEvent) {
    SseSplitter splitter;
    EXPECT_EQ(splitter.next_event_end("data: a\n"), 0u);
    EXPECT_FALSE(splitter.at_event_boundary());
    EXPECT_EQ(splitter.next_event_end("\n"), 1u);
    EXPECT_TRUE(splitter.at_event_boundary());
}

TEST(Sse, OneDataLineIsAViewWithItsOffset) {
    const std::string_view whole = "event: x\r\ndata: {\"a\":1}\r\n\r\n";
    SseEvent event;
    ASSERT_TRUE(parse_event(whole, event, {}));
    EXPECT_TRUE(event.data_in_place);
    EXPECT_EQ(event.data.data(), whole.data() + event.data_offset);
    EXPECT_EQ(event.data, "{\"a\":1}");
}

TEST(Sse, SaysWhenTheScratchIsTooSmall) {
    SseEvent event;
    char scratch[4];
    EXPECT_TRUE(parse_event("data: ab\ndata: c\n\n", event, scratch));
    EXPECT_EQ(event.data, "ab\nc");
    EXPECT_EQ(event.data_lines, 2u);
    EXPECT_FALSE(event.data_in_place);
    EXPECT_EQ(parse_event("data: ab\ndata: cd\n\n", event, scratch).error().code, Errc::too_large);
}

}  // namespace
}  // namespace loom::http::test
