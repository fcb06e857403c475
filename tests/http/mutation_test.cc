// Random damage to good inputs: whatever comes, the parsers stay inside their bytes, and agree with themselves however
// the bytes are cut. The seed is printed; LOOM_SEED repeats it.
#include "loom/http/body.h"
#include "loom/http/sse.h"
#include "support.h"

namespace loom::http::test {
namespace {

std::string damaged(std::string_view good, std::mt19937_64& random) {
    static constexpr std::string_view sharp = "\r\n\0\t :;,=\"\\0159afF\x7f\x80\xff"sv;
    std::string text(good);
    for (uint64_t edits = random() % 5; edits > 0 && !text.empty(); --edits) {
        const size_t at = random() % text.size();
        const char c = random() % 2 != 0 ? sharp[random() % sharp.size()] : static_cast<char>(random());
        switch (random() % 4) {
            case 0: text[at] = c; break;
            case 1: text.insert(at, 1, c); break;
            case 2: text.erase(at, 1 + random() % 3); break;
            default: text.insert(at, text.substr(random() % text.size(), random() % 20)); break;
        }
    }
    return text;
}

bool is_inside(std::string_view part, std::string_view whole) {
    return part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

TEST(Mutation, OfHeadsStaysInsideAndTheScanAgrees) {
    auto random = seeded();
    constexpr std::string_view good =
        "POST /v1/chat/completions?x=y HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 12\r\nConnection: a, "
        "keep-alive\r\n"
        "Accept: */*\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (int round = 0; round < 30000; ++round) {
        const Exact bytes(damaged(good, random));
        RequestHead head;
        const auto parsed = parse_request_head(bytes.view(), head);
        if (parsed) {
            for (const Header& header : head.headers()) {
                ASSERT_TRUE(is_inside(header.name, bytes.view()));
                ASSERT_TRUE(is_inside(header.value, bytes.view()));
            }
            HeadScan scan;
            const auto end = scan.end_of(bytes.view());
            ASSERT_TRUE(end) << "the parser took what the scan refuses";
            ASSERT_EQ(*end, head.head_bytes);
        } else {
            ASSERT_STRNE(parsed.error().what, "");
        }
        ResponseHead answer;
        (void)parse_response_head(bytes.view(), Method::get, answer);
    }
}

struct Outcome {
    std::string payload;
    Errc code = Errc::ok;
    bool done = false;
    bool operator==(const Outcome&) const = default;
};

Outcome read_body(std::string_view bytes, std::mt19937_64* random) {
    BodyReader reader;
    reader.start(BodyFraming::chunked, 0);
    Outcome out;
    while (!bytes.empty() && !reader.done()) {
        const size_t given = random == nullptr ? bytes.size() : 1 + (*random)() % 9;
        const auto step = reader.next(bytes.substr(0, given));
        if (!step) return out.code = step.error().code, out;
        out.payload += step->payload;
        bytes.remove_prefix(step->consumed);
    }
    out.done = reader.done();
    return out;
}

TEST(Mutation, OfChunkedBodiesReadsTheSameHoweverCut) {
    auto random = seeded();
    constexpr std::string_view good = "5;a=\"b\"\r\nhello\r\n1a\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\nX-T: v\r\n\r\n";
    for (int round = 0; round < 30000; ++round) {
        const Exact bytes(damaged(good, random));
        const Outcome whole = read_body(bytes.view(), nullptr);
        ASSERT_EQ(read_body(bytes.view(), &random), whole) << bytes.view();
    }
}

std::vector<std::string> read_events(std::string_view bytes, std::mt19937_64* random) {
    std::vector<std::string> events;
    SseSplitter splitter;
    std::string held;
    while (!bytes.empty()) {
        const size_t given = std::min(bytes.size(), random == nullptr ? bytes.size() : 1 + (*random)() % 9);
        std::string_view rest = bytes.substr(0, given);
        bytes.remove_prefix(given);
        while (size_t end = splitter.next_event_end(rest)) {
            held += rest.substr(0, end);
            rest.remove_prefix(end);
            SseEvent event;
            char scratch[1024];
            if (parse_event(held, event, scratch))
                events.push_back(std::string(event.event) + "|" + std::string(event.data));
            held.clear();
        }
        held += rest;
    }
    return events;
}

TEST(Mutation, OfEventStreamsReadsTheSameHoweverCut) {
    auto random = seeded();
    constexpr std::string_view good =
        "event: a\r\ndata: {\"x\":1}\r\n\r\n: ping\n\ndata: b\rdata:c\r\rid: 7\ndata: [DONE]\n\n\n";
    for (int round = 0; round < 30000; ++round) {
        const Exact bytes(damaged(good, random));
        ASSERT_EQ(read_events(bytes.view(), &random), read_events(bytes.view(), nullptr)) << bytes.view();
    }
}

}  // namespace
}  // namespace loom::http::test
