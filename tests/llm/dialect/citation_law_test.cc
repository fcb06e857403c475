// The law of citations: whoever cites, and whoever is told, the place that is named holds the same text. On random
// texts of one to four bytes a character, spelled with escapes or without, whole and in streams.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "../dom.h"
#include "loom/llm/translate.h"

namespace loom::llm {
namespace {

using Element = simdjson::dom::element;

struct Letter {
    std::string_view plain;
    std::string_view spelled;
};
constexpr Letter letters[] = {{"a", "a"},    {"b", "\\u0062"},  {"é", "é"},     {"é", "\\u00e9"},
                              {"漢", "漢"},  {"漢", "\\u6F22"}, {"😀", "😀"},   {"😀", "\\ud83d\\ude00"},
                              {"\n", "\\n"}, {"\"", "\\\""},    {"\\", "\\\\"}, {" ", " "}};

/// A piece of an answer, and whether it is cited.
struct Piece {
    std::string plain;
    std::string spelled;
    size_t points = 0;
    bool is_cited = false;
    std::string url;
};

/// Where a page is cited: the page, the text there.
using Cited = std::vector<std::pair<std::string, std::string>>;

class RandomText {
  public:
    explicit RandomText(uint32_t seed) : random_(seed) {
        for (uint32_t count = 1 + below(6); count > 0; --count) add();
        pieces[below(static_cast<uint32_t>(pieces.size()))].is_cited = true;
    }
    std::vector<Piece> pieces;

    std::string spelled() const {
        std::string all;
        for (const Piece& piece : pieces) all += piece.spelled;
        return all;
    }
    std::string plain() const {
        std::string all;
        for (const Piece& piece : pieces) all += piece.plain;
        return all;
    }
    Cited cited() const {
        Cited all;
        for (const Piece& piece : pieces)
            if (piece.is_cited) all.emplace_back(piece.url, piece.plain);
        std::ranges::sort(all);
        return all;
    }
    /// Runs `write(piece, begin, end)` for what is cited, counted by `size`.
    template <class Size, class Write>
    void each_place(Size&& size, Write&& write) const {
        uint64_t begin = 0;
        for (const Piece& piece : pieces) {
            const uint64_t end = begin + size(piece);
            if (piece.is_cited) write(piece, std::to_string(begin), std::to_string(end));
            begin = end;
        }
    }

  private:
    uint32_t below(uint32_t bound) { return static_cast<uint32_t>(random_() % bound); }
    void add() {
        Piece piece{.is_cited = below(2) == 0, .url = "https://" + std::to_string(pieces.size()) + "/"};
        // It begins with a letter of its own: a place is found by its text where its numbers are wrong.
        piece.plain = piece.spelled = "x" + std::to_string(pieces.size());
        piece.points = 2;
        for (uint32_t count = below(below(8) == 0 ? 600 : 6); count > 0; --count) {
            const Letter& letter = letters[below(std::size(letters))];
            piece.plain += letter.plain;
            piece.spelled += letter.spelled;
            piece.points += 1;
        }
        pieces.push_back(std::move(piece));
    }
    std::mt19937 random_;
};

constexpr auto points = [](const Piece& piece) { return piece.points; };
constexpr auto bytes = [](const Piece& piece) { return piece.plain.size(); };

std::string json_string(std::string_view text) { return '"' + std::string(text) + '"'; }
void join(std::string& list, const std::string& one) { list += (list.empty() ? "" : ",") + one; }

// What each provider says.

std::string chat_annotations(const RandomText& text) {
    std::string list;
    text.each_place(points, [&](const Piece& piece, const std::string& begin, const std::string& end) {
        join(list, R"({"type":"url_citation","url_citation":{"start_index":)" + begin + R"(,"end_index":)" + end +
                       R"(,"url":")" + piece.url + R"(","title":"T"}})");
    });
    return "[" + list + "]";
}
std::vector<std::string> responses_annotations(const RandomText& text) {
    std::vector<std::string> list;
    text.each_place(points, [&](const Piece& piece, const std::string& begin, const std::string& end) {
        list.push_back(R"({"type":"url_citation","start_index":)" + begin + R"(,"end_index":)" + end + R"(,"url":")" +
                       piece.url + R"(","title":"T"})");
    });
    return list;
}
std::string anthropic_citation(const Piece& piece) {
    return R"({"type":"web_search_result_location","cited_text":"c","url":")" + piece.url +
           R"(","title":"T","encrypted_index":"E"})";
}
std::string bedrock_citation(const Piece& piece) {
    return R"({"title":"T","location":{"web":{"url":")" + piece.url + R"(","domain":"d"}}})";
}
std::string gemini_grounding(const RandomText& text) {
    std::string chunks, supports;
    size_t count = 0;
    text.each_place(bytes, [&](const Piece& piece, const std::string& begin, const std::string& end) {
        join(chunks, R"({"web":{"uri":")" + piece.url + R"(","title":"T"}})");
        join(supports, R"({"segment":{"startIndex":)" + begin + R"(,"endIndex":)" + end + R"(,"text":)" +
                           json_string(piece.spelled) + R"(},"groundingChunkIndices":[)" + std::to_string(count++) +
                           "]}");
    });
    return R"({"groundingChunks":[)" + chunks + R"(],"groundingSupports":[)" + supports + "]}";
}
std::vector<std::string> cohere_citations(const RandomText& text) {
    std::vector<std::string> list;
    text.each_place(points, [&](const Piece& piece, const std::string& begin, const std::string& end) {
        list.push_back(R"({"start":)" + begin + R"(,"end":)" + end + R"(,"text":)" + json_string(piece.spelled) +
                       R"(,"sources":[{"type":"tool","id":"t:0","tool_output":{"url":")" + piece.url +
                       R"(","title":"T"}}],"content_index":0,"type":"TEXT_CONTENT"})");
    });
    return list;
}
std::string joined(const std::vector<std::string>& list) {
    std::string all;
    for (const std::string& one : list) join(all, one);
    return all;
}

std::string answer_of(Protocol provider, const RandomText& text) {
    std::string blocks;
    switch (provider) {
        case Protocol::openai_chat:
            return R"({"id":"1","choices":[{"index":0,"message":{"role":"assistant","content":)" +
                   json_string(text.spelled()) + R"(,"annotations":)" + chat_annotations(text) +
                   R"(},"finish_reason":"stop"}]})";
        case Protocol::openai_responses:
            return R"({"id":"resp_1","status":"completed","output":[{"type":"message","id":"msg_1","role":"assistant",)"
                   R"("content":[{"type":"output_text","text":)" +
                   json_string(text.spelled()) + R"(,"annotations":[)" + joined(responses_annotations(text)) + "]}]}]}";
        case Protocol::anthropic:
            for (const Piece& piece : text.pieces)
                join(blocks, R"({"type":"text","text":)" + json_string(piece.spelled) +
                                 (piece.is_cited ? R"(,"citations":[)" + anthropic_citation(piece) + "]" : "") + "}");
            return R"({"id":"1","type":"message","content":[)" + blocks + R"(],"stop_reason":"end_turn"})";
        case Protocol::bedrock:
            for (const Piece& piece : text.pieces) {
                const std::string one = R"({"text":)" + json_string(piece.spelled) + "}";
                join(blocks, !piece.is_cited ? one
                                             : R"({"citationsContent":{"content":[)" + one + R"(],"citations":[)" +
                                                   bedrock_citation(piece) + "]}}");
            }
            return R"({"output":{"message":{"role":"assistant","content":[)" + blocks +
                   R"(]}},"stopReason":"end_turn"})";
        case Protocol::gemini:
            return R"({"candidates":[{"content":{"parts":[{"text":)" + json_string(text.spelled()) +
                   R"(}],"role":"model"},"finishReason":"STOP","groundingMetadata":)" + gemini_grounding(text) + "}]}";
        default:
            return R"({"id":"1","message":{"role":"assistant","content":[{"type":"text","text":)" +
                   json_string(text.spelled()) + R"(}],"citations":[)" + joined(cohere_citations(text)) +
                   R"(]},"finish_reason":"COMPLETE"})";
    }
}

struct Event {
    std::string name;
    std::string data;
};

/// Each piece in an event of its own, and what is cited as late as the provider tells it.
std::vector<Event> stream_of(Protocol provider, const RandomText& text) {
    std::vector<Event> events;
    const auto tell = [&](std::string name, std::string data) { events.push_back({std::move(name), std::move(data)}); };
    const auto chat = [&](const std::string& delta, const char* finish) {
        tell("", R"({"id":"1","choices":[{"index":0,"delta":)" + delta + R"(,"finish_reason":)" + finish + "}]}");
    };
    const auto responses = [&](const std::string& name, const std::string& members) {
        tell(name, R"({"type":")" + name + R"(","output_index":0,"content_index":0)" + members + "}");
    };
    switch (provider) {
        case Protocol::openai_chat:
            for (const Piece& piece : text.pieces) chat(R"({"content":)" + json_string(piece.spelled) + "}", "null");
            chat(R"({"annotations":)" + chat_annotations(text) + "}", "null");
            chat("{}", "\"stop\"");
            tell("", "[DONE]");
            break;
        case Protocol::openai_responses:
            tell("response.created", R"({"type":"response.created","response":{"id":"resp_1","output":[]}})");
            responses("response.output_item.added",
                      R"(,"item":{"id":"msg_1","type":"message","role":"assistant","content":[]})");
            for (const Piece& piece : text.pieces)
                responses("response.output_text.delta", R"(,"delta":)" + json_string(piece.spelled));
            for (const std::string& one : responses_annotations(text))
                responses("response.output_text.annotation.added", R"(,"annotation":)" + one);
            responses("response.content_part.done", "");
            tell("response.completed",
                 R"({"type":"response.completed","response":{"id":"resp_1","status":"completed","output":[]}})");
            break;
        case Protocol::anthropic: {
            tell("message_start", R"({"type":"message_start","message":{"id":"1"}})");
            size_t count = 0;
            for (const Piece& piece : text.pieces) {
                const std::string index = R"(","index":)" + std::to_string(count++);
                tell("content_block_start",
                     R"({"type":"content_block_start)" + index + R"(,"content_block":{"type":"text","text":""}})");
                const std::string front = R"({"type":"content_block_delta)" + index + R"(,"delta":{"type":)";
                if (piece.is_cited)
                    tell("content_block_delta",
                         front + R"("citations_delta","citation":)" + anthropic_citation(piece) + "}}");
                tell("content_block_delta", front + R"("text_delta","text":)" + json_string(piece.spelled) + "}}");
                tell("content_block_stop", R"({"type":"content_block_stop)" + index + "}");
            }
            tell("message_delta", R"({"type":"message_delta","delta":{"stop_reason":"end_turn"}})");
            tell("message_stop", R"({"type":"message_stop"})");
            break;
        }
        case Protocol::bedrock: {
            tell("messageStart", R"({"role":"assistant"})");
            size_t count = 0;
            for (const Piece& piece : text.pieces) {
                const std::string front = R"({"contentBlockIndex":)" + std::to_string(count++);
                tell("contentBlockDelta", front + R"(,"delta":{"text":)" + json_string(piece.spelled) + "}}");
                if (piece.is_cited)
                    tell("contentBlockDelta", front + R"(,"delta":{"citation":)" + bedrock_citation(piece) + "}}");
                tell("contentBlockStop", front + "}");
            }
            tell("messageStop", R"({"stopReason":"end_turn"})");
            tell("metadata", R"({"usage":{"inputTokens":1,"outputTokens":1,"totalTokens":2}})");
            break;
        }
        case Protocol::gemini:
            for (const Piece& piece : text.pieces)
                tell("", R"({"candidates":[{"content":{"parts":[{"text":)" + json_string(piece.spelled) +
                             R"(}],"role":"model"}}]})");
            tell("", R"({"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"STOP",)"
                     R"("groundingMetadata":)" +
                         gemini_grounding(text) + "}]}");
            break;
        default: {
            const auto content = [&](const std::string& name, const std::string& inner) {
                tell(name, R"({"type":")" + name + R"(","index":0,"delta":{"message":)" + inner + "}}");
            };
            tell("message-start", R"({"type":"message-start","id":"1"})");
            content("content-start", R"({"content":{"type":"text","text":""}})");
            for (const Piece& piece : text.pieces)
                content("content-delta", R"({"content":{"text":)" + json_string(piece.spelled) + "}}");
            tell("content-end", R"({"type":"content-end","index":0})");
            for (const std::string& one : cohere_citations(text))
                content("citation-start", R"({"citations":)" + one + "}");
            tell("message-end", R"({"type":"message-end","delta":{"finish_reason":"COMPLETE"}})");
        }
    }
    return events;
}

// What each client reads.

std::string text_at(const Element& element, std::string_view pointer) {
    std::string_view text;
    return element.at_pointer(pointer).get(text) == simdjson::SUCCESS ? std::string(text) : std::string();
}
uint64_t number_at(const Element& element, std::string_view pointer) {
    uint64_t number = 0;
    return element.at_pointer(pointer).get(number) == simdjson::SUCCESS ? number : 0;
}
std::vector<Element> list_at(const Element& element, std::string_view pointer) {
    std::vector<Element> list;
    simdjson::dom::array array;
    if (element.at_pointer(pointer).get(array) == simdjson::SUCCESS)
        for (const Element one : array) list.push_back(one);
    return list;
}

std::string slice_of_points(std::string_view text, uint64_t begin, uint64_t end) {
    std::string slice;
    uint64_t count = 0;
    for (const char c : text) {
        if ((static_cast<uint8_t>(c) & 0xC0) != 0x80) count += 1;
        if (count > begin && count <= end) slice += c;
    }
    return slice;
}

void read_annotation(const Element& one, std::string_view text, std::string_view front, Cited& cited) {
    const std::string at(front);
    cited.emplace_back(text_at(one, at + "/url"),
                       slice_of_points(text, number_at(one, at + "/start_index"), number_at(one, at + "/end_index")));
}

void read_grounding(const Element& candidate, const std::vector<std::string>& parts, std::string_view all,
                    Cited& cited) {
    for (const Element& support : list_at(candidate, "/groundingMetadata/groundingSupports")) {
        const uint64_t begin = number_at(support, "/segment/startIndex"), end = number_at(support, "/segment/endIndex");
        const uint64_t part = number_at(support, "/segment/partIndex");
        ASSERT_LT(part, parts.size());
        ASSERT_LE(end, parts[part].size());
        const std::string there = parts[part].substr(begin, end - begin);
        EXPECT_EQ(there, text_at(support, "/segment/text"));
        EXPECT_EQ(there, all.substr(begin, end - begin));  // who reads response.text sees the same
        for (const Element& number : list_at(support, "/groundingChunkIndices"))
            cited.emplace_back(text_at(candidate, "/groundingMetadata/groundingChunks/" +
                                                      std::to_string(uint64_t(number)) + "/web/uri"),
                               there);
    }
}

Cited read_answer(Protocol client, const Element& root) {
    Cited cited;
    if (client == Protocol::openai_chat) {
        const std::string text = text_at(root, "/choices/0/message/content");
        for (const Element& one : list_at(root, "/choices/0/message/annotations"))
            read_annotation(one, text, "/url_citation", cited);
    } else if (client == Protocol::openai_responses) {
        for (const Element& part : list_at(root, "/output/0/content"))
            for (const Element& one : list_at(part, "/annotations"))
                read_annotation(one, text_at(part, "/text"), "", cited);
    } else if (client == Protocol::anthropic) {
        for (const Element& block : list_at(root, "/content"))
            for (const Element& one : list_at(block, "/citations"))
                cited.emplace_back(text_at(one, "/url"), text_at(block, "/text"));
    } else {
        std::vector<std::string> parts;
        std::string all;
        for (const Element& part : list_at(root, "/candidates/0/content/parts")) {
            parts.push_back(text_at(part, "/text"));
            all += parts.back();
        }
        read_grounding(root.at_pointer("/candidates/0"), parts, all, cited);
    }
    std::ranges::sort(cited);
    return cited;
}

/// The client's text, which is all of the provider's, and what is cited of it.
Cited read_stream(Protocol client, std::string_view events, std::string& text) {
    Cited cited;
    size_t part_begin = 0;  // of the text
    for (size_t at = events.find("data: {"); at != events.npos; at = events.find("data: {", at + 1)) {
        const std::string_view data = events.substr(at + 6, events.find('\n', at) - at - 6);
        const Dom dom(data);
        EXPECT_TRUE(dom.valid()) << data;
        const Element root = dom.root();
        if (client == Protocol::openai_chat) {
            text += text_at(root, "/choices/0/delta/content");
            for (const Element& one : list_at(root, "/choices/0/delta/annotations"))
                read_annotation(one, text, "/url_citation", cited);
        } else if (client == Protocol::openai_responses) {
            const std::string type = text_at(root, "/type");
            if (type == "response.content_part.added") part_begin = text.size();
            if (type == "response.output_text.delta") text += text_at(root, "/delta");
            if (type == "response.output_text.annotation.added")
                read_annotation(root.at_pointer("/annotation"), std::string_view(text).substr(part_begin), "", cited);
        } else {
            text += text_at(root, "/candidates/0/content/parts/0/text");
            Element candidate;
            if (root.at_pointer("/candidates/0").get(candidate) == simdjson::SUCCESS)
                read_grounding(candidate, {text}, text, cited);
        }
    }
    std::ranges::sort(cited);
    return cited;
}

constexpr Protocol providers[] = {Protocol::openai_chat, Protocol::openai_responses, Protocol::anthropic,
                                  Protocol::bedrock,     Protocol::gemini,           Protocol::cohere};
constexpr Protocol clients[] = {Protocol::openai_chat, Protocol::openai_responses, Protocol::anthropic,
                                Protocol::gemini};

struct Work {
    Work(Protocol client, Protocol provider)
        : translation(scratch, pool,
                      {.client = client, .provider = provider, .model = "m", .client_model = "m", .fallback_id = "x"}) {
    }
    TranslateScratch scratch;
    BlockPool pool;
    Translation translation;
    ByteBuffer out{pool};
    Usage usage;
};

class CitationLaw : public testing::TestWithParam<std::pair<Protocol, Protocol>> {};

TEST_P(CitationLaw, APlaceOfAnAnswerHoldsTheSameText) {
    const auto [provider, client] = GetParam();
    for (uint32_t seed = 0; seed < 200; ++seed) {
        const RandomText text(seed);
        const std::string body = answer_of(provider, text);
        Work work(client, provider);
        ASSERT_TRUE(work.translation.answer(body, work.out, work.usage)) << body;
        EXPECT_TRUE(work.translation.dropped().empty()) << work.translation.dropped().front();
        const Dom dom(work.out.view());
        ASSERT_TRUE(dom.valid()) << work.out.view();
        ASSERT_EQ(read_answer(client, dom.root()), text.cited()) << "seed " << seed << "\n"
                                                                 << body << "\n"
                                                                 << work.out.view();
    }
}

// At Anthropic's clients a stream's text has left before its places are known: a citation stands for what is before it.
TEST_P(CitationLaw, APlaceOfAStreamHoldsTheSameText) {
    const auto [provider, client] = GetParam();
    if (client == Protocol::anthropic) GTEST_SKIP();
    for (uint32_t seed = 0; seed < 200; ++seed) {
        const RandomText text(seed);
        Work work(client, provider);
        for (const Event& event : stream_of(provider, text))
            EXPECT_FALSE(work.translation.event(event.name, event.data, work.out, work.usage).malformed) << event.data;
        ASSERT_TRUE(work.translation.end(work.out, work.usage));
        EXPECT_TRUE(work.translation.dropped().empty()) << work.translation.dropped().front();
        std::string told;
        ASSERT_EQ(read_stream(client, work.out.view(), told), text.cited()) << "seed " << seed << "\n"
                                                                            << work.out.view();
        ASSERT_EQ(told, text.plain());
    }
}

std::vector<std::pair<Protocol, Protocol>> pairs() {
    std::vector<std::pair<Protocol, Protocol>> all;
    for (const Protocol provider : providers)
        for (const Protocol client : clients)
            if (provider != client) all.emplace_back(provider, client);
    return all;
}

INSTANTIATE_TEST_SUITE_P(Pairs, CitationLaw, testing::ValuesIn(pairs()), [](const auto& info) {
    return std::string(protocol_name(info.param.first)) + "_to_" + std::string(protocol_name(info.param.second));
});

}  // namespace
}  // namespace loom::llm
