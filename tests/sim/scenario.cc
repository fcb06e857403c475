#include "scenario.h"

#include <fmt/format.h>

namespace loom::sim {
namespace {

constexpr size_t huge_head_bytes = 40 * 1024;  // above the world's limit.head_size

/// Text for bodies, cut out of one page: drawing every letter would be most of a run's work.
std::string words(Random& random, size_t bytes) {
    static constexpr size_t page_bytes = 64 * 1024;
    static const std::string page = [] {
        Random letters(1);
        std::string text;
        while (text.size() < page_bytes) {
            const uint64_t at = letters.below(33);
            text += at < 32 ? std::string(1, "abcdefghijklmnopqrstuvwxyz      "[at]) : std::string("\xc3\xa9");
        }
        return text;
    }();
    std::string text;
    text.reserve(bytes + 1);
    while (text.size() < bytes) {
        size_t from = random.below(page.size());
        while ((page[from] & 0xc0) == 0x80) --from;  // at a letter's start
        text += std::string_view(page).substr(from, bytes - text.size());
    }
    while (!text.empty() && (text.back() & 0x80) != 0) text.pop_back();  // nor half a letter at its end
    return text.empty() ? "e" : text;
}

size_t draw_size(Random& random, const Temper& temper, size_t usual, size_t large) {
    return random.chance(temper.large) ? random.between(usual, large) : random.between(1, usual);
}

std::string chunked(Random& random, std::string_view payload, bool odd_sizes) {
    std::string text;
    text.reserve(payload.size() + 64);
    while (!payload.empty()) {
        size_t size = payload.size();
        const size_t event = payload.find("\n\n");
        if (odd_sizes)
            size = std::min<size_t>(payload.size(), random.between(1, 1 + payload.size() / 4));
        else if (event != payload.npos && random.chance(900))
            size = event + 2;
        fmt::format_to(std::back_inserter(text), "{:x}{}\r\n{}\r\n", size, random.chance(20) ? ";a=b" : "",
                       payload.substr(0, size));
        payload.remove_prefix(size);
    }
    return text + (random.chance(50) ? "0\r\nx-trailer: 1\r\n\r\n" : "0\r\n\r\n");
}

std::string event(uint64_t number, uint64_t index) {
    return fmt::format(
        "data: {{\"id\":\"c{}\",\"object\":\"chat.completion.chunk\",\"choices\":[{{\"index\":0,\"delta\":"
        "{{\"content\":\"{} \"}},\"finish_reason\":null}}]}}\n\n",
        number, index);
}

void draw_request(Case& c, Random& random, const Temper& temper) {
    c.http10 = random.chance(30);
    c.asks_close = random.chance(30);
    std::string lines = fmt::format("host: sim\r\nx-request-id: {}\r\nauthorization: Bearer none\r\n", c.id());
    if (c.asks_close)
        lines += "connection: close\r\n";
    else if (c.http10 && random.chance(500))
        lines += "connection: keep-alive\r\n";
    std::string path = "/v1/chat/completions";
    std::string method = "POST";
    const bool streams = c.streams();
    const char* const model = c.ask == Ask::echo || c.ask == Ask::echo_stream ? "echo" : "m";
    switch (c.ask) {
        case Ask::chat:
        case Ask::stream:
        case Ask::echo:
        case Ask::echo_stream:
            c.wants_usage = streams && random.chance(500);
            c.body = fmt::format(R"({{"model":"{}",{}{}"messages":[{{"role":"user","content":"{}"}}]}})", model,
                                 streams ? R"("stream":true,)" : "",
                                 c.wants_usage ? R"("stream_options":{"include_usage":true},)" : "",
                                 words(random, draw_size(random, temper, 300, 60'000)));
            break;
        case Ask::bad_json: c.body = R"({"model":"m","messages":[)"; break;
        case Ask::upload:
            path = "/plain/upload";
            method = random.chance(500) ? "PUT" : "POST";
            c.body = words(random, draw_size(random, temper, 2'000, 300'000));
            break;
        case Ask::plain_get:
            path = "/plain/thing?x=1";
            method = "GET";
            break;
        case Ask::plain_head:
            path = "/plain/thing";
            method = "HEAD";
            break;
        case Ask::models:
            path = "/v1/models";
            method = "GET";
            break;
        case Ask::no_route:
            path = "/nowhere";
            method = "GET";
            break;
        case Ask::bad_head:
            path = "/v1/models";
            method = "GET";
            lines += "transfer-encoding: gzip, chunked, x\r\n";
            break;
    }
    std::string body = c.body;
    if (!body.empty()) {
        lines += "content-type: application/json\r\n";
        const bool in_chunks = !c.http10 && random.chance(c.ask == Ask::upload ? 500 : 100);
        if (in_chunks) body = chunked(random, body, true);
        lines += in_chunks ? std::string("transfer-encoding: chunked\r\n")
                           : fmt::format("content-length: {}\r\n", body.size());
        if (!c.http10 && random.chance(50)) lines += "expect: 100-continue\r\n";
    }
    c.request = fmt::format("{} {} HTTP/1.{}\r\n{}\r\n", method, path, c.http10 ? 0 : 1, lines);
    c.head_bytes = c.request.size();
    c.request += body;
}

std::string draw_payload(Case& c, Random& random, const Temper& temper) {
    if (c.ask == Ask::stream && c.status == 200) {
        const uint64_t count = random.chance(temper.large) ? random.between(100, 2'000) : random.between(0, 20);
        std::string all;
        for (uint64_t i = 0; i < count; ++i) {
            all += event(c.number, i);
            if (random.chance(10)) all += ": a comment\n\n";
        }
        c.payload = all;
        if (random.chance(700)) {  // some providers know no usage
            const std::string usage =
                "data: {\"object\":\"chat.completion.chunk\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,"
                "\"completion_tokens\":4,\"total_tokens\":7}}\n\n";
            all += usage;
            if (c.wants_usage) c.payload += usage;
        }
        all += "data: [DONE]\n\n";
        c.payload += "data: [DONE]\n\n";
        return all;
    }
    if (c.ask == Ask::plain_head || c.status == 204 || c.status == 304) return {};
    if (c.ask == Ask::chat || c.ask == Ask::stream)
        c.payload = fmt::format(
            R"({{"id":"c{}","choices":[{{"message":{{"content":"{}"}}}}],"usage":{{"prompt_tokens":3,"completion_tokens":4}}}})",
            c.number, words(random, draw_size(random, temper, 400, 200'000)));
    else
        c.payload = words(random, draw_size(random, temper, 1'000, 1'500'000));  // beyond all that may be held
    return c.payload;
}

void draw_answer(Case& c, Random& random, const Temper& temper) {
    static constexpr int odd_statuses[] = {201, 204, 301, 304, 400, 404, 429, 500, 503};
    if (random.chance(60)) c.status = odd_statuses[random.below(9)];
    const std::string payload = draw_payload(c, random, temper);
    c.frame = static_cast<Frame>(random.below(3));
    if (c.ask == Ask::stream && c.status == 200 && random.chance(800)) c.frame = Frame::chunked;
    std::string text;
    for (uint64_t interim = random.chance(50) ? random.between(1, 4) : 0; interim > 0; --interim)
        text += random.chance(500) ? "HTTP/1.1 100 Continue\r\n\r\n" : "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n";
    text += fmt::format("HTTP/1.1 {} Sim\r\ncontent-type: {}\r\nx-extra: {}\r\n", c.status,
                        c.ask == Ask::stream && c.status == 200 ? "text/event-stream" : "application/json",
                        std::string(random.below(40), 'x'));
    const bool bodiless = c.status == 204 || c.status == 304;
    c.closes_after = (c.frame == Frame::close && !bodiless) || random.chance(50);
    if (c.closes_after && random.chance(500)) text += "connection: close\r\n";
    if (!bodiless) {
        if (c.frame == Frame::length) {
            const size_t lie = c.fate == Fate::too_short ? random.between(1, 100) : 0;
            text += fmt::format("content-length: {}\r\n", payload.size() + lie);
        }
        if (c.frame == Frame::chunked) text += "transfer-encoding: chunked\r\n";
    }
    text += "\r\n";
    c.answer_head_bytes = text.size();
    if (c.ask != Ask::plain_head && !bodiless)
        text += c.frame == Frame::chunked ? chunked(random, payload, random.chance(300)) : payload;
    c.answer = std::move(text);
}

/// Bends a whole answer to its fate. Where the fate does not fit the answer, it is a stall.
void bend(Case& c, Random& random) {
    const bool has_body = c.answer.size() > c.answer_head_bytes;
    const bool fits = (c.fate != Fate::too_short && c.fate != Fate::too_long && c.fate != Fate::bad_chunk) ||
                      (has_body && (c.frame == Frame::length || c.fate == Fate::bad_chunk) &&
                       (c.frame == Frame::chunked || c.fate != Fate::bad_chunk));
    if (!fits) c.fate = Fate::stalls;
    switch (c.fate) {
        case Fate::whole: return;
        case Fate::silent:
        case Fate::closes: c.stops_at = 0; return;
        case Fate::stalls:
        case Fate::dies:
        case Fate::resets: c.stops_at = random.below(c.answer.size()); return;
        case Fate::too_short: c.stops_at = c.answer.size(); return;
        case Fate::too_long: c.answer += "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"; return;
        case Fate::garbage: c.answer = words(random, random.between(1, 3'000)) + "\r\n\r\n"; return;
        case Fate::huge_head:
            c.answer.insert(c.answer.find("\r\n") + 2, "x-huge: " + std::string(huge_head_bytes, 'h') + "\r\n");
            return;
        case Fate::bad_chunk: c.answer.replace(c.answer_head_bytes, 1, "z"); return;
        case Fate::interim_flood:
            for (int i = 0; i < 20; ++i) c.answer.insert(0, "HTTP/1.1 100 Continue\r\n\r\n");
            return;
    }
}

void draw_pace(Case& c, Random& random, const Temper& temper) {
    const auto pace = [&random](size_t bytes) {
        return Pace{random.between(1 + bytes / 30, 2 + bytes / 3), static_cast<uint32_t>(random.below(20))};
    };
    if (random.chance(temper.paced)) c.writing = pace(c.request.size());
    if (random.chance(temper.paced)) c.answering = pace(c.answer.size());
    if (c.has_upstream() && random.chance(temper.paced)) c.reading = pace(c.answer.size() + 200);
    if (random.chance(300)) c.think_ms = static_cast<uint32_t>(random.below(200));
    if (random.chance(200)) c.delay_ms = static_cast<uint32_t>(random.below(500));
    if (!random.chance(temper.slow)) return;
    switch (random.below(4)) {
        case 0:
            c.writing = {std::max<size_t>(1, c.request.size() / 8),
                         static_cast<uint32_t>(random.between(1'000, 9'000))};
            c.slow_client = true;
            return;
        case 1:
            c.reading = {200, static_cast<uint32_t>(random.between(1'000, 40'000))};
            c.slow_client = true;
            return;
        case 2:
            c.answering = {std::max<size_t>(1, c.answer.size() / 8),
                           static_cast<uint32_t>(random.between(1'000, 20'000))};
            c.slow_upstream = true;
            return;
        default:
            c.delay_ms = static_cast<uint32_t>(random.between(5'000, 40'000));
            c.slow_upstream = true;
            return;
    }
}

}  // namespace

std::string Case::id() const { return fmt::format("case-{}-", number); }

std::string Case::describe() const {
    static constexpr std::string_view asks[] = {"chat",      "stream",     "echo",    "echo_stream",
                                                "plain_get", "plain_head", "upload",  "models",
                                                "no_route",  "bad_json",   "bad_head"};
    static constexpr std::string_view fates[] = {"whole",   "silent",    "closes",    "stalls",
                                                 "dies",    "resets",    "too_short", "too_long",
                                                 "garbage", "huge_head", "bad_chunk", "interim_flood"};
    static constexpr std::string_view frames[] = {"length", "chunked", "close"};
    return fmt::format(
        "case {}: {} HTTP/1.{}{}{}{}, {} bytes; upstream {} {} {}, {} bytes (head {}), stops at {}, {} ms late, paced "
        "{}/{} "
        "ms{}{}; client writes {}/{} ms, reads {}/{} ms; {} arrivals{}",
        number, asks[static_cast<size_t>(ask)], http10 ? 0 : 1, asks_close ? ", asks close" : "",
        slow_client ? ", slow client" : "", slow_upstream ? ", slow upstream" : "", request.size(),
        fates[static_cast<size_t>(fate)], frames[static_cast<size_t>(frame)], status, answer.size(), answer_head_bytes,
        static_cast<int64_t>(stops_at), delay_ms, static_cast<int64_t>(answering.bytes), answering.ms,
        early ? ", early" : "", closes_after ? ", closes after" : "", static_cast<int64_t>(writing.bytes), writing.ms,
        static_cast<int64_t>(reading.bytes), reading.ms, arrivals,
        hurt          ? ", hurt"
        : half_closes ? ", half closes"
                      : "");
}

Case draw_case(Random& random, const Temper& temper, uint64_t number) {
    Case c;
    c.number = number;
    if (random.chance(temper.odd)) {
        static constexpr Ask odd[] = {Ask::models,    Ask::no_route,    Ask::bad_json,   Ask::bad_head,
                                      Ask::echo,      Ask::echo_stream, Ask::plain_head, Ask::plain_get,
                                      Ask::plain_get, Ask::upload,      Ask::upload,     Ask::upload};
        c.ask = odd[random.below(12)];
    } else {
        c.ask = random.chance(temper.stream) ? Ask::stream : Ask::chat;
    }
    draw_request(c, random, temper);
    if (c.has_upstream()) {
        if (random.chance(temper.bad_fate)) c.fate = static_cast<Fate>(1 + random.below(11));
        if (c.fate == Fate::too_long && !temper.too_long) c.fate = Fate::stalls;
        draw_answer(c, random, temper);
        bend(c, random);
        c.early = random.chance(temper.early);
    }
    draw_pace(c, random, temper);
    if (random.chance(temper.leaves)) {
        c.half_closes = random.chance(200);
        c.half_close_ms = static_cast<uint32_t>(random.below(100));
        if (c.half_closes) return c;
        if (random.chance(300))
            c.leaves_after_sent = random.between(1, c.request.size());
        else
            c.leaves_after_read = random.below(c.answer.size() + 300);
        c.leaves_by_reset = random.chance(500);
    }
    return c;
}

}  // namespace loom::sim
