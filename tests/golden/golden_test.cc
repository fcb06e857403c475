// Every translation that is, beside the bytes that it was last read and found right to be.
//
//   DIR/<kind>/<case>.<in>         what comes: kind is request, answer, stream or error; in is its protocol
//   DIR/<kind>/<case>.<in>.<out>   what class Translation makes of it for protocol `out`, and what it says beside
//
//   golden_test DIR [--update]     with --update they are written anew: read the difference before it is committed
//
// A pair of which one side has no reader or writer is not listed. Each stream is cut at every byte on its way in.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "dialect.h"
#include "loom/http/sse.h"
#include "loom/llm/translate.h"

namespace loom::llm {
namespace {

namespace fs = std::filesystem;

bool is_update = false;

std::string contents(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

struct Case {
    fs::path input;
    std::string kind;
    Protocol in;
    Protocol out;

    fs::path golden() const { return input.string() + "." + std::string(protocol_name(out)); }
    bool comes_from_provider() const { return kind != "request"; }
};

TranslateTerms terms_of(const Case& one, std::string_view body) {
    TranslateTerms terms{.client = one.in, .provider = one.out};
    if (one.comes_from_provider()) std::swap(terms.client, terms.provider);
    terms.model = "provider-model";
    terms.client_model = "client-model";
    terms.fallback_id = "loom-1";
    terms.created = 1700000000;
    terms.stream = one.kind == "stream" || body.find(R"("stream":true)") != body.npos;
    terms.include_usage = true;
    return terms;
}

/// One translation at work, and what it says beside its document.
struct Work {
    explicit Work(const TranslateTerms& terms) : translation(scratch, pool, terms) {}

    TranslateScratch scratch;
    BlockPool pool;
    Translation translation;
    ByteBuffer out{pool};
    Usage usage;

    std::string dropped() {
        std::string line = "dropped:";
        for (const std::string_view name : translation.dropped()) line += " " + std::string(name);
        return line + "\n";
    }
    std::string counted() const {
        const std::pair<const char*, uint64_t> parts[] = {{"input", usage.input},
                                                          {"cached", usage.cached_input},
                                                          {"written", usage.cache_write},
                                                          {"output", usage.output},
                                                          {"reasoning", usage.reasoning},
                                                          {"audio-in", usage.audio_input},
                                                          {"audio-out", usage.audio_output},
                                                          {"total", usage.total}};
        std::string line = "usage:";
        for (const auto& [name, count] : parts)
            if (count > 0) line += std::string(" ") + name + " " + std::to_string(count);
        return line + "\n";
    }
    std::string text() const { return std::string(out.view()); }
};

std::string refused(const Error& error, const char* param) {
    return std::string("refused: ") + errc_name(error.code) + " " + param + ": " + error.what + "\n";
}

std::string request_text(const TranslateTerms& terms, std::string_view body) {
    Work work(terms);
    const auto step = work.translation.request(body, work.out);
    if (!step) return refused(step.error(), work.translation.error_param());
    return work.dropped() + "\n" + work.text() + "\n";
}

std::string answer_text(const TranslateTerms& terms, std::string_view body) {
    Work work(terms);
    const auto step = work.translation.answer(body, work.out, work.usage);
    if (!step) return refused(step.error(), "");
    return work.dropped() + work.counted() + "\n" + work.text() + "\n";
}

std::string error_text(const TranslateTerms& terms, std::string_view body) {
    Work work(terms);
    work.translation.error(429, body, work.out);
    return work.text() + "\n";
}

/// Bytes that come in pieces, as the relay takes them: an event is translated as soon as its end is there.
class StreamWork : public Work {
  public:
    explicit StreamWork(const TranslateTerms& terms) : Work(terms) {}

    void take(std::string_view bytes) {
        const size_t seen = held_.size();
        held_ += bytes;
        std::string_view fresh = std::string_view(held_).substr(seen);
        size_t begin = 0;
        while (const size_t end = splitter_.next_event_end(fresh)) {
            const size_t event_end = held_.size() - fresh.size() + end;
            read_event(std::string_view(held_).substr(begin, event_end - begin));
            begin = event_end;
            fresh.remove_prefix(end);
        }
        held_.erase(0, begin);
    }
    std::string finish() {
        const bool whole = translation.end(out, usage);
        return dropped() + counted() + "whole: " + (whole ? "yes" : "no") + "\n\n" + text();
    }

  private:
    void read_event(std::string_view bytes) {
        std::array<char, 4096> scratch;
        http::SseEvent event;
        ASSERT_TRUE(http::parse_event(bytes, event, scratch));
        if (!event.has_data) return;
        const EventFacts facts = translation.event(event.event, event.data, out, usage);
        EXPECT_FALSE(facts.malformed) << event.data;
    }

    http::SseSplitter splitter_;
    std::string held_;
};

std::string stream_text(const TranslateTerms& terms, std::string_view bytes) {
    StreamWork whole(terms);
    whole.take(bytes);
    const std::string text = whole.finish();
    for (size_t cut = 1; cut < bytes.size(); ++cut) {
        StreamWork pieces(terms);
        pieces.take(bytes.substr(0, cut));
        pieces.take(bytes.substr(cut));
        if (pieces.finish() == text) continue;
        ADD_FAILURE() << "cut at byte " << cut << " the stream reads otherwise";
        break;
    }
    StreamWork bytewise(terms);
    for (const char& byte : bytes) bytewise.take({&byte, 1});
    EXPECT_EQ(bytewise.finish(), text);
    return text;
}

std::string translated(const Case& one) {
    const std::string body = contents(one.input);
    const TranslateTerms terms = terms_of(one, body);
    if (one.kind == "request") return request_text(terms, body);
    if (one.kind == "answer") return answer_text(terms, body);
    return one.kind == "stream" ? stream_text(terms, body) : error_text(terms, body);
}

class Golden : public testing::Test {
  public:
    explicit Golden(Case one) : case_(std::move(one)) {}
    void TestBody() override {
        const std::string text = translated(case_);
        if (is_update) {
            std::ofstream(case_.golden(), std::ios::binary) << text;
            return;
        }
        ASSERT_TRUE(fs::exists(case_.golden())) << "write it with --update, and read it: " << case_.golden();
        EXPECT_EQ(contents(case_.golden()), text) << case_.golden();
    }

  private:
    Case case_;
};

// Who may stand where: Bedrock and Cohere are no clients', legacy completions no provider's; a dialect that is not
// written has neither a decoder nor an encoder.
bool is_client(Protocol protocol) {
    return protocol != Protocol::bedrock && protocol != Protocol::cohere && dialect_of(protocol).encoder() != nullptr;
}
bool is_provider(Protocol protocol) {
    return protocol != Protocol::openai_completions && dialect_of(protocol).decoder() != nullptr;
}

bool is_pair(const Case& one) {
    const Protocol client = one.comes_from_provider() ? one.out : one.in;
    const Protocol provider = one.comes_from_provider() ? one.in : one.out;
    return client != provider && is_client(client) && is_provider(provider);
}

bool protocol_of(std::string_view name, Protocol& protocol) {
    for (uint32_t i = 0; i < protocol_count; ++i) {
        protocol = static_cast<Protocol>(i);
        if (protocol_name(protocol) == name) return true;
    }
    return false;
}

/// "<case>.<in>": the name has one dot; what was made of it has two.
bool is_input(const fs::path& path, Protocol& in) {
    const std::string name = path.filename().string();
    const size_t dot = name.find('.');
    return dot != name.npos && dot == name.rfind('.') && protocol_of(std::string_view(name).substr(dot + 1), in);
}

std::vector<Case> cases_in(const fs::path& folder) {
    std::vector<Case> cases;
    for (const std::string kind : {"request", "answer", "stream", "error"}) {
        for (const auto& entry : fs::directory_iterator(folder / kind)) {
            Protocol in;
            if (!is_input(entry.path(), in)) continue;
            for (uint32_t i = 0; i < protocol_count; ++i) {
                Case one{.input = entry.path(), .kind = kind, .in = in, .out = static_cast<Protocol>(i)};
                if (is_pair(one)) cases.push_back(std::move(one));
            }
        }
    }
    std::ranges::sort(cases, {}, &Case::golden);  // a directory has no order
    return cases;
}

void list(const std::vector<Case>& cases) {
    for (const Case& one : cases) {
        const std::string name = one.golden().filename().string();
        testing::RegisterTest(("Golden_" + one.kind).c_str(), name.c_str(), nullptr, nullptr, __FILE__, __LINE__,
                              [one]() -> testing::Test* { return new Golden(one); });
    }
}

}  // namespace
}  // namespace loom::llm

int main(int count, char** arguments) {
    testing::InitGoogleTest(&count, arguments);
    if (count < 2) return 64;
    loom::llm::is_update = count > 2 && std::string_view(arguments[2]) == "--update";
    const auto cases = loom::llm::cases_in(arguments[1]);
    if (cases.empty()) return 1;
    loom::llm::list(cases);
    return RUN_ALL_TESTS();
}
