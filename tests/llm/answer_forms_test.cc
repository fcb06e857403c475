// A document as a stream, a stream as a document: what the one says the other says, by the goldens of every protocol.
#include "loom/llm/answer_forms.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "loom/llm/translate.h"

namespace loom::llm {
namespace {

constexpr std::pair<std::string_view, Protocol> protocols[] = {
    {"openai_chat", Protocol::openai_chat},
    {"anthropic", Protocol::anthropic},
    {"openai_responses", Protocol::openai_responses},
    {"gemini", Protocol::gemini},
};

struct Bench {
    BlockPool pool;
    TranslateScratch scratch;
};

TranslateTerms terms_of(Protocol protocol) {
    return {.client = protocol,
            .provider = protocol,
            .model = "client-model",
            .client_model = "client-model",
            .fallback_id = "id-1",
            .created = 1,
            .include_usage = true};
}

std::string text_of_file(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// Goldens of clients' protocols, by kind: "answer", "stream".
template <class Do>
void each_golden(const char* kind, Do what) {
    const auto folder = std::filesystem::path(std::getenv("LLM_GOLDEN")) / kind;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        const std::string name = entry.path().filename();
        for (const auto& [word, protocol] : protocols)
            if (name.substr(name.rfind('.') + 1) == word) what(name, protocol, text_of_file(entry.path()));
    }
}

/// Fed to the forms event by event, as a relay would cut it.
bool take_all(AnswerForms& forms, std::string_view events) {
    while (!events.empty()) {
        const size_t end = events.find("\n\n");
        std::string_view event = events.substr(0, end);
        events.remove_prefix(end == events.npos ? events.size() : end + 2);
        std::string name, data;
        while (!event.empty()) {
            const std::string_view line = event.substr(0, event.find('\n'));
            event.remove_prefix(std::min(event.size(), line.size() + 1));
            if (line.starts_with("event: ")) name = line.substr(7);
            if (line.starts_with("data: ")) data = line.substr(6);
        }
        if (!data.empty() && !forms.take_event(name, data)) return false;
    }
    return true;
}

/// The document once more, as the dialect writes it.
std::string rewritten(Bench& bench, Protocol protocol, std::string_view document, bool& good) {
    Translation translation(bench.scratch, bench.pool, terms_of(protocol));
    ByteBuffer out(bench.pool);
    Usage usage;
    good = translation.answer(document, out, usage).has_value();
    std::string text(out.view());
    // Of the way that it was made, and of no part of a stream.
    constexpr std::string_view tier = R"(,"service_tier":"default")";
    if (const size_t at = text.find(tier); at != text.npos) text.erase(at, tier.size());
    return text;
}

/// What is said, without what it took: that may be told before or behind.
std::string_view said_in(std::string_view document) {
    document = document.substr(0, document.find("\"usage"));
    return document.substr(0, document.find_last_not_of(",}") + 1);
}

TEST(AnswerForms, ADocumentAsEventsIsTheSameDocumentAgain) {
    Bench bench;
    std::set<Protocol> seen;
    each_golden("answer", [&](const std::string& name, Protocol protocol, const std::string& document) {
        bool good = false;
        const std::string expected = rewritten(bench, protocol, document, good);
        if (!good) return;
        AnswerForms forms(bench.scratch, bench.pool, terms_of(protocol));
        ByteBuffer events(bench.pool);
        const auto told = forms.events_of(expected, {}, events);
        if (!told) {
            EXPECT_EQ(told.error().code, Errc::unsupported) << name;
            return;
        }
        AnswerForms back(bench.scratch, bench.pool, terms_of(protocol));
        ASSERT_TRUE(take_all(back, events.view())) << name;
        ByteBuffer again(bench.pool);
        const auto made = back.document_of_taken({}, again);
        ASSERT_TRUE(made) << name << ": " << made.error().what << '\n' << events.view();
        EXPECT_EQ(again.view(), expected) << name << '\n' << events.view();
        seen.insert(protocol);
    });
    EXPECT_EQ(seen.size(), std::size(protocols));
}

TEST(AnswerForms, AStreamAsADocumentIsAStreamOfTheSameDocument) {
    Bench bench;
    std::set<Protocol> seen;
    each_golden("stream", [&](const std::string& name, Protocol protocol, const std::string& stream) {
        AnswerForms forms(bench.scratch, bench.pool, terms_of(protocol));
        if (!take_all(forms, stream)) return;
        ByteBuffer document(bench.pool);
        if (!forms.document_of_taken({}, document)) return;
        AnswerForms out(bench.scratch, bench.pool, terms_of(protocol));
        ByteBuffer events(bench.pool);
        if (!out.events_of(document.view(), {}, events)) return;
        AnswerForms back(bench.scratch, bench.pool, terms_of(protocol));
        ASSERT_TRUE(take_all(back, events.view())) << name;
        ByteBuffer again(bench.pool);
        ASSERT_TRUE(back.document_of_taken({}, again)) << name;
        EXPECT_EQ(again.view(), document.view()) << name;
        seen.insert(protocol);
    });
    EXPECT_EQ(seen.size(), std::size(protocols));
}

TEST(AnswerForms, AStreamThatIsCutIsNoDocument) {
    Bench bench;
    each_golden("stream", [&](const std::string& name, Protocol protocol, const std::string& stream) {
        AnswerForms whole(bench.scratch, bench.pool, terms_of(protocol));
        ByteBuffer out(bench.pool);
        if (!take_all(whole, stream) || !whole.document_of_taken({}, out)) return;
        for (size_t end = stream.find("\n\n"); end != stream.npos; end = stream.find("\n\n", end + 2)) {
            AnswerForms cut(bench.scratch, bench.pool, terms_of(protocol));
            if (!take_all(cut, std::string_view(stream).substr(0, end + 2))) continue;
            ByteBuffer part(bench.pool);
            if (!cut.document_of_taken({}, part)) continue;
            EXPECT_EQ(said_in(part.view()), said_in(out.view())) << name << " cut at " << end;
        }
    });
}

TEST(AnswerForms, TellsWhatWasSaidToItsEnd) {
    Bench bench;
    AnswerForms chat(bench.scratch, bench.pool, terms_of(Protocol::openai_chat));
    const auto of_reason = [](std::string_view reason) {
        return std::string(R"({"id":"a","object":"chat.completion","model":"m","choices":[{"index":0,"message":)") +
               R"({"role":"assistant","content":"x"},"finish_reason":)" + std::string(reason) + "}]}";
    };
    EXPECT_TRUE(chat.ends_well(of_reason("\"stop\"")));
    EXPECT_TRUE(chat.ends_well(of_reason("\"tool_calls\"")));
    for (const char* const reason : {"null", "\"length\"", "\"content_filter\"", "\"\"", "\"error\""})
        EXPECT_FALSE(chat.ends_well(of_reason(reason))) << reason;
    EXPECT_FALSE(chat.ends_well(R"({"id":"a","choices":[]})"));
    EXPECT_FALSE(chat.ends_well(R"({"error":{"message":"no"}})"));
    const std::string whole = of_reason("\"stop\"");
    for (size_t i = 0; i < whole.size(); ++i) EXPECT_FALSE(chat.ends_well(whole.substr(0, i))) << i;
    AnswerForms anthropic(bench.scratch, bench.pool, terms_of(Protocol::anthropic));
    const auto of_stop = [](std::string_view reason) {
        return std::string(R"({"id":"a","type":"message","role":"assistant","model":"m","content":[{"type":"text",)") +
               R"("text":"x"}],"stop_reason":")" + std::string(reason) +
               R"(","usage":{"input_tokens":1,"output_tokens":1}})";
    };
    EXPECT_TRUE(anthropic.ends_well(of_stop("end_turn")));
    EXPECT_TRUE(anthropic.ends_well(of_stop("tool_use")));
    EXPECT_FALSE(anthropic.ends_well(of_stop("max_tokens")));
    EXPECT_FALSE(anthropic.ends_well(of_stop("pause_turn")));
}

TEST(AnswerForms, WhatAFormCannotCarryIsNotMadeOfIt) {
    Bench bench;
    AnswerForms chat(bench.scratch, bench.pool, terms_of(Protocol::openai_chat));
    ByteBuffer out(bench.pool);
    const auto made = chat.events_of(
        R"({"id":"a","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant",)"
        R"("content":"x"},"logprobs":{"content":[]},"finish_reason":"stop"}]})",
        {}, out);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, Errc::unsupported);
}

TEST(AnswerForms, UsageThatWasStrippedIsToldAgain) {
    Bench bench;
    AnswerForms forms(bench.scratch, bench.pool, terms_of(Protocol::openai_chat));
    ASSERT_TRUE(take_all(forms,
                         "data: {\"id\":\"a\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"},"
                         "\"finish_reason\":null}]}\n\n"
                         "data: {\"id\":\"a\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},"
                         "\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"));
    ByteBuffer out(bench.pool);
    const Usage usage{.input = 3, .output = 4, .total = 7, .provenance = Usage::Provenance::reported};
    ASSERT_TRUE(forms.document_of_taken(usage, out));
    EXPECT_NE(out.view().find("\"prompt_tokens\":3"), std::string_view::npos) << out.view();
    EXPECT_NE(out.view().find("\"completion_tokens\":4"), std::string_view::npos) << out.view();
}

TEST(AnswerForms, KnowsEmbeddings) {
    Bench bench;
    for (const char* const text : {R"( {"data":[{"embedding":[1,2]}]} )", R"({"error":null,"data":[{"embedding":""}]})",
                                   R"({"embedding":{"values":[1]}})", R"({"embeddings":[{"values":[1]}]})"})
        EXPECT_TRUE(AnswerForms::has_embeddings(bench.scratch, text)) << text;
    for (const char* const text :
         {"", "[]", "{", R"({"a":1)", R"({"data":[{}]}x)", "null", "{}", R"({"error":{"message":"no"}})",
          R"({"data":[]})", R"({"data":null})", R"({"data":[{"embedding":[1]}],"error":"no"})", R"({"embedding":{}})",
          R"({"data":"x"})"})
        EXPECT_FALSE(AnswerForms::has_embeddings(bench.scratch, text)) << text;
}

// What is not known is not passed over.

constexpr std::string_view chat_before = R"({"id":"a","object":"chat.completion","created":1,"model":"m-2024","usage":)"
                                         R"({"prompt_tokens":1,"x":{"y":1}},"system_fingerprint":"fp","choices":[)"
                                         R"({"index":0,"logprobs":null,"message":{"role":"assistant","annotations":[])";
constexpr std::string_view chat_behind = R"(},"finish_reason":"stop"}]})";

bool has_events(Protocol protocol, std::string_view document, std::string* events = nullptr) {
    Bench bench;
    AnswerForms forms(bench.scratch, bench.pool, terms_of(protocol));
    ByteBuffer out(bench.pool);
    const auto told = forms.events_of(document, {}, out);
    if (!told) EXPECT_EQ(told.error().code, Errc::unsupported) << document;
    if (events != nullptr) *events = out.view();
    return told.has_value();
}

bool has_document(Protocol protocol, std::string_view events) {
    Bench bench;
    AnswerForms forms(bench.scratch, bench.pool, terms_of(protocol));
    ByteBuffer out(bench.pool);
    return take_all(forms, events) && forms.document_of_taken({}, out);
}

TEST(AnswerForms, AMemberThatIsNotKnownKeepsADocumentAsItIs) {
    const auto chat = [](std::string_view of_message, std::string_view of_choice = "") {
        return std::string(chat_before) + std::string(of_message) + "}" + std::string(of_choice) +
               std::string(chat_behind.substr(1));
    };
    std::string events;
    EXPECT_TRUE(has_events(Protocol::openai_chat, chat(R"(,"content":"x","audio":null,"x":[ ],"y":{})"), &events));
    EXPECT_NE(events.find(R"("model":"m-2024")"), events.npos) << "the name that the answer said: " << events;
    EXPECT_TRUE(has_events(Protocol::openai_chat, chat(R"(,"content":null,"tool_calls":[{"id":"1","type":"function",)"
                                                       R"("function":{"name":"f","arguments":"{}"}}])")));
    for (const char* const member :
         {R"(,"content":null,"tool_calls":[{"id":"1","type":"custom","custom":{"name":"f","input":"x"}}])",
          R"(,"content":null,"tool_calls":[{"id":"1","type":"custom"}])",
          R"(,"content":"x","reasoning_details":[{"type":"reasoning.text","text":"t"}])",
          R"(,"content":"x","annotations":[{"type":"url_citation"}])", R"(,"content":"x","audio":{"id":"a"})",
          R"(,"content":"x","function_call":{"name":"f"})", R"(,"content":[{"type":"text","text":"x"}])",
          R"(,"content":"x","x":0)", R"(,"content":"x","x":false)"})
        EXPECT_FALSE(has_events(Protocol::openai_chat, chat(member))) << member;
    for (const char* const member : {R"(,"content_filter_results":{"hate":{"filtered":false}})", R"(,"stop":"x")"})
        EXPECT_FALSE(has_events(Protocol::openai_chat, chat(R"(,"content":"x")", member))) << member;
    EXPECT_FALSE(has_events(Protocol::openai_chat, R"({"citations":["u"],)" + chat(R"(,"content":"x")").substr(1)));
    const std::string responses_before = R"({"id":"r","object":"response","status":"completed","model":"m","output":[)";
    const std::string responses_behind = R"({"type":"message","id":"m","role":"assistant","status":"completed",)"
                                         R"("content":[{"type":"output_text","text":"x","annotations":[]}]}]})";
    EXPECT_TRUE(has_events(Protocol::openai_responses, responses_before + responses_behind));
    for (const char* const item :
         {R"({"type":"shell_call","id":"s","call_id":"c","action":{"commands":["ls"]},"status":"completed"},)",
          R"({"type":"apply_patch_call","id":"s","call_id":"c","status":"completed"},)",
          R"({"type":"custom_tool_call","id":"s","call_id":"c","name":"f","input":"x"},)"})
        EXPECT_FALSE(has_events(Protocol::openai_responses, responses_before + item + responses_behind)) << item;
}

TEST(AnswerForms, AMemberThatIsNotKnownKeepsAStreamAsItIs) {
    const auto chat = [](std::string_view delta, std::string_view more = "") {
        return fmt::format(
            "data: {{\"id\":\"a\",\"model\":\"m\",\"obfuscation\":\"x\",\"choices\":[{{\"index\":0,"
            "\"delta\":{{{}}},\"finish_reason\":\"stop\"}}]{}}}\n\ndata: [DONE]\n\n",
            delta, more);
    };
    EXPECT_TRUE(has_document(Protocol::openai_chat, chat(R"("content":"x")")));
    EXPECT_FALSE(has_document(Protocol::openai_chat, chat(R"("content":"x","reasoning_details":[{"text":"t"}])")));
    EXPECT_FALSE(has_document(Protocol::openai_chat, chat(R"("content":"x")", R"(,"citations":["u"])")));
    EXPECT_FALSE(has_document(Protocol::openai_chat, chat(R"("content":"x")", R"(,"provider":"p")")));
    EXPECT_FALSE(
        has_document(Protocol::openai_chat,
                     chat(R"("tool_calls":[{"index":0,"id":"1","type":"custom","custom":{"name":"f","input":"x"}}])")));
}

/// Their calls are said in other words.
TEST(AnswerForms, ARequestThatOffersOtherToolsHasItsAnswersAsTheyAre) {
    Bench bench;
    const auto reads = [&bench](Protocol protocol, std::string_view tools) {
        AnswerForms forms(bench.scratch, bench.pool, terms_of(protocol));
        return forms
            .read_request(R"({"model":"m","max_tokens":5,"messages":[{"role":"user","content":"x"}],"tools":)" +
                          std::string(tools) + "}")
            .has_value();
    };
    EXPECT_TRUE(reads(Protocol::openai_chat, R"([{"type":"function","function":{"name":"f"}}])"));
    EXPECT_FALSE(reads(Protocol::openai_chat, R"([{"type":"custom","custom":{"name":"f"}}])"));
    EXPECT_FALSE(reads(Protocol::openai_chat,
                       R"([{"type":"function","function":{"name":"f"}},{"type":"custom","custom":{"name":"g"}}])"));
    EXPECT_TRUE(reads(Protocol::anthropic, R"([{"name":"f","input_schema":{"type":"object"}}])"));
    EXPECT_TRUE(reads(Protocol::anthropic, R"([{"type":"custom","name":"f","input_schema":{"type":"object"}}])"));
    EXPECT_FALSE(reads(Protocol::anthropic, R"([{"type":"bash_20250124","name":"bash"}])"));
}

TEST(AnswerForms, OfSeveralChoicesEachMustHaveItsEnd) {
    const auto event = [](int index, std::string_view finish) {
        return fmt::format(
            "data: {{\"id\":\"a\",\"model\":\"m\",\"choices\":[{{\"index\":{},\"delta\":{{"
            "\"content\":\"x\"}},\"finish_reason\":{}}}]}}\n\n",
            index, finish);
    };
    const auto ends_well = [](const std::string& events, uint32_t choices) {
        Bench bench;
        AnswerForms forms(bench.scratch, bench.pool, terms_of(Protocol::openai_chat));
        return take_all(forms, events + "data: [DONE]\n\n") && forms.taken_ends_well(choices);
    };
    const std::string stop = "\"stop\"";
    EXPECT_TRUE(ends_well(event(0, stop) + event(1, stop), 2));
    EXPECT_FALSE(ends_well(event(0, stop) + event(0, stop), 2));
    EXPECT_FALSE(ends_well(event(0, stop) + event(1, "null"), 2));
    EXPECT_FALSE(ends_well(event(0, stop) + event(1, "\"length\""), 2));
    EXPECT_FALSE(ends_well(event(0, stop), 2));
}

}  // namespace
}  // namespace loom::llm
