// Texts' vectors by a provider's work (semantic_cache.embedding.provider): who is asked for what and how often, what it
// costs whom, and that an embedder that is slow, away, wrong or hostile harms nobody.
#include <fmt/format.h>
#include <signal.h>

#include <atomic>
#include <functional>
#include <thread>

#include "fixture.h"
#include "full_backlog.h"
#include "protocols.h"
#include "sigv4_verifier.h"
#include "state_directory.h"

namespace loom::wire {
namespace {

constexpr std::string_view asked = "How do I reset my password?";
constexpr std::string_view in_other_words = "how can I reset my password";  // as far as the comparison of words allows
constexpr std::string_view once_more = "how do i reset my password";
constexpr std::string_view model = "text-embedding-3-small";

std::string body_of(std::string_view prompt, std::string_view more = "") {
    return fmt::format(R"({{"model":"gpt-4o","messages":[{{"role":"user","content":"{}"}}]{}}})", prompt, more);
}

std::string whole_stream() {
    return sse_answer(
        delta_event("Hello") + delta_event(" world") +
        "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-4o\","
        "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n" +
        usage_event + done_event);
}

std::string fitting_answer(const Message& request) {
    constexpr std::string_view own = R"(,"vendor":{"x":1})";
    std::string document(chat_answer);
    document.erase(document.find(own), own.size());
    return contains(request.body, "\"stream\":true") ? whole_stream() : answer(document);
}

/// What the embedder makes of a text: the direction of its matter, and of nothing else.
std::string numbers_of(std::string_view text, size_t dimensions = 16) {
    constexpr std::string_view matters[] = {"password", "mountain", "weather", "invoice"};
    size_t matter = std::size(matters);
    for (size_t i = 0; i < std::size(matters); ++i)
        if (contains(text, matters[i])) matter = i;
    std::string numbers = "[";
    for (size_t i = 0; i < dimensions; ++i)
        numbers += fmt::format("{}{}", i == 0 ? "" : ",", i == matter ? "0.5" : i + 1 == dimensions ? "0.01" : "0");
    return numbers + "]";
}

std::string vector_answer(std::string_view numbers,
                          std::string_view usage = R"({"prompt_tokens":7,"total_tokens":7})") {
    return answer(fmt::format(
        R"({{"object":"list","data":[{{"object":"embedding","index":0,"embedding":{}}}],"model":"m","usage":{}}})",
        numbers, usage));
}

std::string embed(const Message& request) { return vector_answer(numbers_of(request.body)); }

/// It takes everything and says nothing.
void never(UpstreamConnection& connection) {
    while (connection.read_request()) {
    }
}

class Embedding : public WireTest {
  protected:
    Embedding() : embedder_(std::make_unique<ScriptedUpstream>(answer_with(embed))) {
        conf.set("semantic_cache.enabled", "on").set("semantic_cache.similarity_threshold", "0.9");
        conf.set("semantic_cache.embedding.provider", "embed");
        conf.set("semantic_cache.embedding.model", std::string(model));
        conf.set("semantic_cache.embedding.timeout", "5s");
        conf.set("provider.embed.type", "openai").set("provider.embed.api_key", "sk-of-the-embedder");
        conf.set("provider.embed.base_url", embedder_->origin() + "/v1");
        conf.set("provider.embed.models", std::string(model)).set("provider.mock.models", "gpt-4o");
    }
    void begin() { start(answer_with(fitting_answer)); }
    ScriptedUpstream& embedder() { return *embedder_; }
    void embed_with(ScriptedUpstream::Script script) {
        embedder_->set_script(std::move(script));
        embedder_->end_connections();
    }
    static std::string status_of(const Message& message) { return message.head.value("x-loom-cache"); }
    std::string status(std::string_view body, std::string_view headers = "") {
        const Message message = ask(chat_request(body, headers));
        EXPECT_EQ(message.status(), 200) << message.body;
        return status_of(message);
    }
    Message keep(std::string_view body, int entries = 1) {
        Message first = ask(chat_request(body));
        EXPECT_EQ(status_of(first), "miss");
        EXPECT_EQ(loom().eventually("loom_ai_cache_semantic_entries"), entries);
        return first;
    }
    Eventually count_of(std::string_view result) {
        return loom().eventually(fmt::format("loom_ai_cache_embeddings_total{{result=\"{}\"}}", result));
    }
    /// Chat answers wait for it.
    Gate hold_answers() {
        Gate gate;
        upstream().set_script([gate](UpstreamConnection& connection) {
            while (const auto request = connection.read_request()) {
                gate.wait();
                if (!connection.send(fitting_answer(*request))) return;
            }
        });
        upstream().end_connections();
        return gate;
    }
    void reload() { loom().reload(conf.text()); }
    /// With another key: what is told of the provider is over, a rest, too.
    void begin_anew() {
        conf.set("provider.embed.api_key", fmt::format("sk-of-the-embedder-{}", ++keys_));
        reload();
    }
    /// Its vectors wait for it.
    static ScriptedUpstream::Script wait_for(const Gate& gate, std::string bytes) {
        return [gate, bytes = std::move(bytes)](UpstreamConnection& connection) {
            while (connection.read_request()) {
                gate.wait();
                if (!connection.send(bytes)) return;
            }
        };
    }
    /// It is asked again within the time of a test, and answers.
    void expect_awake() {
        embed_with(answer_with(embed));
        const Deadline deadline = Deadline::standard();
        for (int i = 0; loom().metric("loom_ai_cache_semantic_entries") == 0 && !deadline.passed(); ++i) {
            (void)status(body_of(asked, fmt::format(R"(,"seed":{})", i)));
            std::this_thread::sleep_for(std::chrono::milliseconds(20));  // the pace of it
        }
        EXPECT_EQ(status(body_of(in_other_words, R"(,"seed":1000)")), "miss");
        EXPECT_EQ(count_of("answered"), 2);
    }

  private:
    std::unique_ptr<ScriptedUpstream> embedder_;
    int keys_ = 0;
};

TEST_F(Embedding, WhoAsksTheSameInOtherWordsGetsTheAnswerThatIsKept) {
    begin();
    const Message first = keep(body_of(asked));
    const Message second = ask(chat_request(body_of(in_other_words)));
    EXPECT_EQ(status_of(second), "semantic");
    EXPECT_EQ(second.body, first.body);
    EXPECT_EQ(second.head.value("x-loom-cache-similarity"), "1.000");
    EXPECT_EQ(upstream().request_count(), 1u);
    EXPECT_EQ(embedder().request_count(), 2u) << "a text is embedded once, to look up and to keep";
    const Message sent = embedder().request(0);
    EXPECT_EQ(sent.head.start_line, "POST /v1/embeddings HTTP/1.1");
    EXPECT_EQ(sent.head.value("authorization"), "Bearer sk-of-the-embedder") << "its own key, and no client's";
    EXPECT_EQ(sent.body, fmt::format(R"({{"model":"{}","input":["{}"]}})", model, asked));
    EXPECT_EQ(embedder().connection_count(), 1u) << "connections stay";
    EXPECT_EQ(count_of("answered"), 2);
    EXPECT_EQ(status(body_of(asked)), "hit");
    EXPECT_EQ(embedder().request_count(), 2u) << "the very same is found without";
    EXPECT_EQ(loom().eventually(R"(loom_ai_tokens_total{provider="embed",type="input"})"), 14);
}

TEST_F(Embedding, FarIsAMissAndTheOppositeIsOne) {
    begin();
    (void)keep(body_of(asked));
    EXPECT_EQ(status(body_of("Which mountain is the tallest?")), "miss");
    EXPECT_EQ(loom().eventually("loom_ai_cache_semantic_entries"), 2);
    EXPECT_EQ(status(body_of("How do I reset my password twice?")), "miss") << "as near as can be";
    EXPECT_GE(loom().eventually_sum("loom_ai_cache_vetoes_total"), 1);
}

/// The same words, as near as can be for the embedder in the process.
TEST_F(Embedding, ItIsTheProvidersVectorsThatAreCompared) {
    embed_with(answer_with([](const Message& request) {
        return vector_answer(numbers_of(contains(request.body, "How") ? "password" : "weather"));
    }));
    begin();
    (void)keep(body_of(asked));
    EXPECT_EQ(status(body_of(in_other_words)), "miss");
    EXPECT_EQ(status(body_of("How can I reset my password")), "semantic");
}

TEST_F(Embedding, AnEqualTextIsEmbeddedOnce) {
    begin();
    (void)keep(body_of(asked));
    for (int i = 1; i <= 5; ++i) {
        EXPECT_EQ(status(body_of(asked, fmt::format(R"(,"seed":{})", i))), "miss");
        EXPECT_EQ(loom().eventually("loom_ai_cache_semantic_entries"), 1 + i);
    }
    EXPECT_EQ(embedder().request_count(), 1u);
    EXPECT_EQ(count_of("known"), 5);
    EXPECT_EQ(status(body_of(in_other_words, R"(,"seed":3)")), "semantic") << "each is kept by its vector";
}

TEST_F(Embedding, EqualTextsAtOnceAreAskedForOnce) {
    Gate gate;
    embed_with([gate](UpstreamConnection& connection) {
        while (connection.read_request()) {
            gate.wait();
            if (!connection.send(vector_answer(numbers_of(asked)))) return;
        }
    });
    begin();
    std::vector<RawClient> clients;
    for (int i = 0; i < 8; ++i) {
        clients.push_back(client());
        clients.back().send(chat_request(body_of(asked, fmt::format(R"(,"seed":{})", i))));
    }
    EXPECT_EQ(count_of("joined"), 7);
    EXPECT_EQ(upstream().request_count(), 0u) << "all wait";
    gate.open();
    for (RawClient& one : clients) EXPECT_EQ(status_of(one.read_response()), "miss");
    EXPECT_EQ(loom().eventually("loom_ai_cache_semantic_entries"), 8);
    EXPECT_EQ(embedder().request_count(), 1u);
}

TEST_F(Embedding, StreamsAndDocumentsAnswerEachOther) {
    begin();
    EXPECT_EQ(status(body_of(asked, R"(,"stream":true)")), "miss");
    EXPECT_EQ(loom().eventually("loom_ai_cache_semantic_entries"), 1);
    const Message whole = ask(chat_request(body_of(in_other_words)));
    EXPECT_EQ(status_of(whole), "semantic");
    EXPECT_EQ(json_text(whole.body, "content"), "Hello world") << whole.body;
    const Message stream = ask(chat_request(body_of(once_more, R"(,"stream":true)")));
    EXPECT_EQ(status_of(stream), "semantic");
    EXPECT_TRUE(stream.body.ends_with("data: [DONE]\n\n"));
}

TEST_F(Embedding, InSeveralShards) {
    conf.set("loop.shards", "3");
    begin();
    (void)keep(body_of(asked));
    std::vector<RawClient> clients;
    for (int i = 0; i < 24; ++i) clients.push_back(client());
    for (RawClient& one : clients) one.send(chat_request(body_of(in_other_words)));
    for (RawClient& one : clients) EXPECT_EQ(status_of(one.read_response()), "semantic");
    EXPECT_EQ(upstream().request_count(), 1u);
    EXPECT_LE(embedder().request_count(), 1u + 3u) << "once on each shard at most";
}

// Embedders that are no good.

TEST_F(Embedding, WhatIsLateIsAMissAndAfterThreeNobodyWaits) {
    allow_script_failures();
    conf.set("semantic_cache.embedding.timeout", "30ms");
    embed_with(never);
    begin();
    for (int i = 0; i < 3; ++i) EXPECT_EQ(status(body_of(fmt::format("{} {}", asked, i))), "miss");
    EXPECT_EQ(count_of("late"), 3);
    EXPECT_EQ(status(body_of("Which mountain is the tallest?")), "miss");
    EXPECT_EQ(count_of("resting"), 1) << "it was not asked";
    EXPECT_EQ(upstream().request_count(), 4u);
    EXPECT_EQ(loom().eventually("loom_ai_cache_semantic_entries"), 0) << "nothing is kept without a vector";
    EXPECT_EQ(status(body_of(asked, R"(,"seed":1)")), "miss");
    EXPECT_EQ(status(body_of(asked, R"(,"seed":1)")), "hit") << "the exact cache does not mind";
    EXPECT_TRUE(contains(loom().log(), "semantic_cache.embedding.provider = embed: has not answered within 30 ms"));
    EXPECT_FALSE(contains(loom().log(), "password")) << "no text is logged";
}

TEST_F(Embedding, WhatComesLateIsThereForTheNext) {
    conf.set("semantic_cache.embedding.timeout", "1s");
    Gate gate;
    embed_with(wait_for(gate, vector_answer(numbers_of(asked), R"({"prompt_tokens":9,"total_tokens":9})")));
    begin();
    EXPECT_EQ(status(body_of(asked)), "miss");
    EXPECT_EQ(count_of("late"), 1);
    EXPECT_EQ(status(body_of(asked, R"(,"seed":9)")), "miss");
    EXPECT_EQ(count_of("late"), 2) << "its call runs still: nobody waits for it, and it is not paid for twice";
    EXPECT_EQ(embedder().request_count(), 1u);
    gate.open();
    EXPECT_EQ(loom().eventually(R"(loom_ai_tokens_total{provider="embed",type="input"})"), 9) << "it is paid for";
    EXPECT_EQ(status(body_of(asked, R"(,"seed":1)")), "miss");
    EXPECT_EQ(loom().eventually("loom_ai_cache_semantic_entries"), 1);
    EXPECT_EQ(count_of("known"), 1);
    EXPECT_EQ(embedder().request_count(), 1u);
}

TEST_F(Embedding, ErrorsAreMisses) {
    begin();
    int failed = 0;
    for (const char* const code : {"500 Internal Server Error", "401 Unauthorized", "404 Not Found", "307 Away"}) {
        embed_with(answer_always(answer(R"({"error":{"message":"no"}})", code)));
        EXPECT_EQ(status(body_of(fmt::format("{} {}", asked, code))), "miss") << code;
        EXPECT_EQ(count_of("refused"), ++failed);
        begin_anew();
    }
    embed_with([](UpstreamConnection& connection) { (void)connection.read_request(), connection.reset(); });
    EXPECT_EQ(status(body_of("weather")), "miss");
    EXPECT_EQ(count_of("failed"), 1);
    embedder().stop_listening();
    embedder().end_connections();
    EXPECT_EQ(status(body_of("invoice")), "miss");
    EXPECT_EQ(count_of("failed"), 2);
    EXPECT_EQ(loom().eventually("loom_ai_cache_semantic_entries"), 0);
}

TEST_F(Embedding, WhoSaysThatItIsTooMuchIsLeftInPeace) {
    embed_with(answer_always(answer("{}", "429 Too Many Requests", "Retry-After: 60\r\n")));
    begin();
    EXPECT_EQ(status(body_of(asked)), "miss");
    EXPECT_EQ(status(body_of(in_other_words)), "miss");
    EXPECT_EQ(count_of("resting"), 1);
    EXPECT_EQ(embedder().request_count(), 1u);
}

TEST_F(Embedding, ATextThatIsRefusedIsNotAskedForAgainAndOthersAre) {
    embed_with(answer_with([](const Message& request) {
        return contains(request.body, "password") ? answer("{}", "400 Bad Request") : embed(request);
    }));
    begin();
    for (int i = 0; i < 6; ++i) EXPECT_EQ(status(body_of(asked, fmt::format(R"(,"seed":{})", i))), "miss");
    EXPECT_EQ(embedder().request_count(), 1u);
    (void)keep(body_of("Which mountain is the tallest?"));
    EXPECT_EQ(count_of("resting"), 0);
}

/// An error that is told of a text may be one of the conf: a deployment, a version or a model that is not there.
TEST_F(Embedding, WhoRefusesEveryTextIsLeftInPeace) {
    embed_with(answer_always(answer("{}", "400 Bad Request")));
    begin();
    for (int i = 0; i < 5; ++i) EXPECT_EQ(status(body_of(fmt::format("{} {}", asked, i))), "miss");
    EXPECT_EQ(embedder().request_count(), 3u);
    EXPECT_EQ(count_of("resting"), 2);
}

TEST_F(Embedding, WhoRefusesOneTextAfterTheOtherRestsInTheEnd) {
    begin();
    (void)keep(body_of("Which mountain is the tallest?"));
    embed_with(answer_always(answer("{}", "400 Bad Request")));
    for (int i = 0; i < 6; ++i) EXPECT_EQ(status(body_of(fmt::format("{} {}", asked, i))), "miss");
    EXPECT_EQ(embedder().request_count(), 1u + 5u) << "two may be the texts' fault, three more are failures";
    EXPECT_EQ(count_of("resting"), 1);
}

TEST_F(Embedding, AfterItsRestItIsAskedAgain) {
    embed_with(answer_always(answer("{}", "503 Service Unavailable")));
    begin();
    for (int i = 0; i < 3; ++i) EXPECT_EQ(status(body_of(fmt::format("{} {}", asked, i))), "miss");
    expect_awake();
}

/// However many texts were on their way when it failed: that is one failure of three texts, and its rest the first.
TEST_F(Embedding, ManyFailuresAtOnceAreNoReasonForALongRest) {
    Gate gate;
    embed_with(wait_for(gate, answer("{}", "503 Service Unavailable")));
    begin();
    std::vector<RawClient> clients;
    for (int i = 0; i < 16; ++i) {
        clients.push_back(client());
        clients.back().send(chat_request(body_of(fmt::format("{} {}", asked, i))));
    }
    (void)embedder().request(15);
    gate.open();
    for (RawClient& one : clients) EXPECT_EQ(status_of(one.read_response()), "miss");
    EXPECT_EQ(count_of("refused"), 16);
    expect_awake();
}

TEST_F(Embedding, WhatIsNoVectorIsRefused) {
    begin();
    std::string many = "[";
    for (int i = 0; i < 4097; ++i) many += i == 0 ? "1" : ",1";
    std::string deep(20'000, '[');
    int unusable = 0;
    const auto hostile = [&](const std::string& bytes, std::string_view what) {
        embed_with(answer_always(bytes));
        EXPECT_EQ(status(body_of(fmt::format("{} {}", asked, unusable))), "miss") << what;
        EXPECT_EQ(count_of("unusable"), ++unusable) << what;
        begin_anew();
    };
    for (const std::string_view numbers :
         {"[0,0,0,0,0,0,0,0]", "[1,2,3]", "[]", "[1,2,3,4,5,6,7,\"8\"]", "[1,2,3,4,5,6,7,null]", "\"AAAA\"", "{}",
          "[1e999,1,1,1,1,1,1,1]", "[NaN,1,1,1,1,1,1,1]", "[[1,1,1,1,1,1,1,1]]", "[1e-30,0,0,0,0,0,0,0]", "null",
          "\"AADAfwAAwH8AAMB/AADAfwAAwH8AAMB/AADAfwAAwH8=\""})
        hostile(vector_answer(numbers), numbers);
    hostile(vector_answer(many + "]"), "too many numbers");
    hostile(answer(deep), "depth");
    hostile(answer(""), "nothing");
    hostile(answer(R"({"data":[]})"), "no vector");
    hostile(answer(fmt::format(R"({{"data":[{{"index":0,"embedding":{0}}},{{"index":1,"embedding":{0}}}]}})",
                               numbers_of(asked))),
            "two vectors");
    hostile(answer(R"({"data":[{"embedding":[1,1,1,1,1,1,1,1)"), "half a document");
    EXPECT_EQ(loom().eventually("loom_ai_cache_semantic_entries"), 0);
    // As long as it likes, in whatever coding: these do not even end.
    allow_script_failures();
    embed_with([](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
        connection.send_forever(chunk(std::string(4096, ' ')), 64u << 20);
    });
    EXPECT_EQ(status(body_of("the weather")), "miss");
    EXPECT_EQ(count_of("failed"), 1);
    embed_with(answer_always(answer("xx", "200 OK", "Content-Encoding: gzip\r\n")));
    EXPECT_EQ(status(body_of("the invoice")), "miss");
    EXPECT_EQ(count_of("failed"), 2);
}

TEST_F(Embedding, VectorsAreComparedByTheirDirection) {
    std::atomic<int> scale = 1;
    embed_with(answer_with([&scale](const Message&) {
        std::string numbers = "[";
        for (int i = 0; i < 16; ++i) numbers += fmt::format("{}{}e{}", i == 0 ? "" : ",", i + 1, scale * 10);
        scale = -scale;
        return vector_answer(numbers + "]");
    }));
    begin();
    (void)keep(body_of(asked));
    EXPECT_EQ(status(body_of(in_other_words)), "semantic");
}

// How long they are, and whose.

TEST_F(Embedding, AnotherLengthThanTheConfSaysIsRefused) {
    conf.set("semantic_cache.embedding.dimensions", "24");
    begin();
    EXPECT_EQ(status(body_of(asked)), "miss");
    EXPECT_EQ(count_of("unusable"), 1);
    EXPECT_TRUE(contains(embedder().last_request().body, R"("dimensions":24)")) << embedder().last_request().body;
    embed_with(answer_with([](const Message& request) { return vector_answer(numbers_of(request.body, 24)); }));
    (void)keep(body_of(once_more));
    EXPECT_EQ(status(body_of(in_other_words)), "semantic");
}

TEST_F(Embedding, AnotherLengthUnderTheSameNameBeginsAnew) {
    begin();
    (void)keep(body_of(asked));
    embed_with(answer_with([](const Message& request) { return vector_answer(numbers_of(request.body, 32)); }));
    EXPECT_EQ(status(body_of(in_other_words)), "miss") << "two lengths are never compared";
    (void)keep(body_of("Which mountain is the tallest?"), 2);  // of the new ones
    EXPECT_EQ(status(body_of(once_more)), "semantic");
    const size_t before = embedder().request_count();
    (void)keep(body_of(asked, R"(,"seed":1)"), 3);
    EXPECT_EQ(embedder().request_count(), before + 1) << "what was known is the other model's";
}

TEST_F(Embedding, AnotherModelBeginsAnew) {
    begin();
    (void)keep(body_of(asked));
    reload();
    EXPECT_EQ(status(body_of(in_other_words)), "semantic") << "the same one goes on";
    conf.set("semantic_cache.embedding.model", "text-embedding-3-large");
    reload();
    EXPECT_EQ(status(body_of(in_other_words)), "miss");
    EXPECT_TRUE(contains(embedder().last_request().body, "text-embedding-3-large"));
    EXPECT_EQ(loom().eventually("loom_ai_cache_semantic_entries"), 1);
    EXPECT_EQ(status(body_of(once_more)), "semantic");
    const size_t before = embedder().request_count();
    conf.set("semantic_cache.embedding.provider", "").set("semantic_cache.embedding.model", "");
    conf.set("semantic_cache.embedding.timeout", "");
    reload();
    EXPECT_EQ(status(body_of("HOW do I reset my password?")), "miss");
    EXPECT_EQ(loom().eventually("loom_ai_cache_semantic_entries"), 1) << "of the process's own";
    EXPECT_EQ(status(body_of("How do I reset my password")), "semantic");
    EXPECT_EQ(embedder().request_count(), before);
}

TEST_F(Embedding, AReloadThatChangesNothingOfItKeepsItsRest) {
    embed_with(answer_always(answer("{}", "429 Too Many Requests", "Retry-After: 60\r\n")));
    begin();
    EXPECT_EQ(status(body_of(asked)), "miss");
    conf.set("semantic_cache.similarity_threshold", "0.8");
    reload();
    EXPECT_EQ(status(body_of(in_other_words)), "miss");
    EXPECT_EQ(count_of("resting"), 1);
    EXPECT_EQ(embedder().request_count(), 1u);
    embed_with(answer_with(embed));
    begin_anew();
    (void)keep(body_of(once_more));
}

TEST_F(Embedding, AReloadThatChangesNothingOfItKeepsItsConnectionsAndWhatIsKnown) {
    begin();
    (void)keep(body_of(asked));
    conf.set(fmt::format("price.{}.input_per_1m", model), "1");
    reload();
    (void)keep(body_of(asked, R"(,"seed":1)"), 2);
    EXPECT_EQ(count_of("known"), 1);
    (void)keep(body_of("Which mountain is the tallest?"), 3);
    EXPECT_EQ(embedder().connection_count(), 1u);
}

TEST_F(Embedding, AReloadWhileATextIsOnItsWayHarmsNobody) {
    Gate gate, gone;
    embed_with([gate, gone](UpstreamConnection& connection) mutable {
        while (connection.read_request()) {
            gate.wait();
            if (!connection.send(vector_answer(numbers_of(asked)))) return;
        }
        gone.open();
    });
    begin();
    RawClient one = client();
    one.send(chat_request(body_of(asked)));
    (void)embedder().request(0);
    conf.set("semantic_cache.embedding.model", "text-embedding-3-large");
    reload();
    gate.open();
    const Message told = one.read_response();
    EXPECT_EQ(told.status(), 200);
    EXPECT_EQ(status_of(told), "miss");
    EXPECT_EQ(loom().eventually("loom_exchanges_live"), 0);
    EXPECT_EQ(loom().eventually("loom_ai_cache_semantic_entries"), 0) << "it is another's vector now";
    gone.wait();  // nobody is asked over that connection any more
}

// Whose texts they are, and where they may go.

TEST_F(Embedding, TenantsShareNeitherAnswersNorVectors) {
    for (const char* const name : {"alice", "bob", "carol"})
        conf.set(fmt::format("consumer.{}.api_key", name), fmt::format("sk-{}-0123456789abcdef", name));
    conf.set("consumer.alice.tenant", "acme").set("consumer.bob.tenant", "acme");
    begin();
    const auto status_for = [this](std::string_view name, std::string_view body) {
        return status_of(ask(request("POST", "/v1/chat/completions",
                                     fmt::format("Authorization: Bearer sk-{}-0123456789abcdef\r\n"
                                                 "Content-Type: application/json\r\n",
                                                 name),
                                     body)));
    };
    EXPECT_EQ(status_for("alice", body_of(asked)), "miss");
    EXPECT_EQ(loom().eventually("loom_ai_cache_semantic_entries"), 1);
    EXPECT_EQ(status_for("carol", body_of(asked)), "miss");
    EXPECT_EQ(embedder().request_count(), 2u) << "that another has asked it is no one's to learn";
    EXPECT_EQ(status_for("bob", body_of(asked, R"(,"seed":1)")), "miss");
    EXPECT_EQ(embedder().request_count(), 2u) << "of the same tenant";
    EXPECT_EQ(status_for("bob", body_of(in_other_words)), "semantic");
    EXPECT_EQ(count_of("known"), 1);
}

TEST_F(Embedding, ItGetsWhatTheGuardsHaveLeft) {
    conf.set("security.pii_detection.enabled", "on");
    begin();
    EXPECT_EQ(status(body_of("Who is ann@example.org, card 4111 1111 1111 1111?")), "miss");
    const std::string sent = embedder().request(0).body;
    EXPECT_TRUE(contains(sent, "[EMAIL_1]")) << sent;
    EXPECT_FALSE(contains(sent, "ann@")) << sent;
    EXPECT_FALSE(contains(sent, "4111")) << sent;
}

TEST_F(Embedding, WhatIsBlockedNeverGoesThere) {
    conf.set("security.pii_detection.enabled", "on").set("security.pii_detection.action", "block");
    begin();
    EXPECT_EQ(ask(chat_request(body_of("Who is ann@example.org?"))).status(), 400);
    EXPECT_EQ(embedder().request_count(), 0u);
}

TEST_F(Embedding, NothingLeavesItsRegion) {
    conf.set("provider.mock.region", "eu-west-1").set("provider.embed.region", "us");
    conf.set("route.ai.require_region", "eu");
    begin();
    EXPECT_EQ(status(body_of(asked)), "miss");
    EXPECT_EQ(status(body_of(asked, ""), "x-loom-cache: refresh\r\n"), "miss");
    EXPECT_EQ(count_of("barred"), 2);
    EXPECT_EQ(embedder().request_count(), 0u);
    EXPECT_EQ(status(body_of(asked)), "hit") << "the exact cache is at home";
    conf.set("provider.embed.region", "eu-central-1");
    reload();
    (void)keep(body_of("A password, please"));
    EXPECT_EQ(embedder().request_count(), 1u);
}

TEST_F(Embedding, NorGoesToWhomItsRuleDoesNotName) {
    conf.set("routing.rule.legal.when", R"(header.x-team == "legal")").set("routing.rule.legal.use", "mock");
    begin();
    EXPECT_EQ(status(body_of(asked), "x-team: legal\r\n"), "miss");
    EXPECT_EQ(count_of("barred"), 1);
    EXPECT_EQ(embedder().request_count(), 0u);
    (void)keep(body_of(in_other_words));
}

// What clients and operators say.

TEST_F(Embedding, WhoRefreshesItWaitsForNoVectorAndIsFoundByIt) {
    begin();
    const Gate answers = hold_answers();
    RawClient one = client();
    one.send(chat_request(body_of(asked), "x-loom-cache: refresh\r\n"));
    (void)upstream().request(0);
    EXPECT_EQ(count_of("answered"), 1) << "while the answer is on its way";
    Gate(answers).open();
    EXPECT_EQ(status_of(one.read_response()), "miss");
    EXPECT_EQ(loom().eventually("loom_ai_cache_semantic_entries"), 1);
    EXPECT_EQ(status(body_of(in_other_words)), "semantic");
    EXPECT_EQ(status(body_of(once_more), "x-loom-cache: bypass\r\n"), "bypass");
    EXPECT_EQ(embedder().request_count(), 2u);
}

TEST_F(Embedding, WhoWantsNothingButWhatIsKeptIsToldSo) {
    embed_with(answer_always(answer("{}", "500 Internal Server Error")));
    begin();
    EXPECT_EQ(ask(chat_request(body_of(asked), "x-loom-cache: only\r\n")).status(), 504);
    EXPECT_EQ(upstream().request_count(), 0u);
}

TEST_F(Embedding, InItsShadowNobodyWaits) {
    conf.set("semantic_cache.shadow", "on").set("cache.exact.enabled", "on");
    begin();
    const Gate answers = hold_answers();
    RawClient one = client();
    one.send(chat_request(body_of(asked)));
    (void)upstream().request(0);
    EXPECT_EQ(count_of("answered"), 1);
    Gate(answers).open();
    EXPECT_EQ(status_of(one.read_response()), "miss");
    EXPECT_EQ(loom().eventually("loom_ai_cache_semantic_entries"), 1);
    EXPECT_EQ(status(body_of(in_other_words)), "miss");
    EXPECT_EQ(upstream().request_count(), 2u);
}

/// It is looked up once the vector is there, as long as the request is.
TEST_F(Embedding, InItsShadowHitsAreCounted) {
    conf.set("semantic_cache.shadow", "on").set("cache.exact.enabled", "on");
    begin();
    const Gate first = hold_answers();
    RawClient one = client();
    one.send(chat_request(body_of(asked)));
    EXPECT_EQ(count_of("answered"), 1);
    Gate(first).open();
    EXPECT_EQ(status_of(one.read_response()), "miss");
    EXPECT_EQ(loom().eventually("loom_ai_cache_semantic_entries"), 1);
    const Gate second = hold_answers();
    RawClient other = client();
    other.send(chat_request(body_of(in_other_words)));
    EXPECT_EQ(loom().eventually("loom_ai_cache_semantic_would_hit_total"), 1);
    Gate(second).open();
    EXPECT_EQ(status_of(other.read_response()), "miss");
}

TEST_F(Embedding, WhoLeavesWhileItWaitsLeavesNothingBehind) {
    Gate gate;
    embed_with([gate](UpstreamConnection& connection) {
        while (connection.read_request()) {
            gate.wait();
            if (!connection.send(vector_answer(numbers_of(asked)))) return;
        }
    });
    begin();
    for (int i = 0; i < 4; ++i) {
        RawClient leaves = client();
        leaves.send(chat_request(body_of(asked, fmt::format(R"(,"seed":{})", i))));
        (void)embedder().request(0);
        leaves.reset();
    }
    EXPECT_EQ(loom().eventually("loom_exchanges_live"), 0);
    EXPECT_EQ(upstream().request_count(), 0u);
    gate.open();
    EXPECT_EQ(count_of("answered"), 1) << "it was asked for, and is paid for";
    EXPECT_EQ(status(body_of(asked)), "miss");
    EXPECT_EQ(embedder().request_count(), 1u) << "and known to the next";
}

/// As every test ends with one.
TEST_F(Embedding, AStopWaitsForNoEmbedder) {
    allow_script_failures();
    embed_with(never);
    begin();
    RawClient one = client();
    one.send(chat_request(body_of(asked)));
    (void)embedder().request(0);
    one.reset();
    EXPECT_EQ(loom().eventually("loom_exchanges_live"), 0);
}

// What it costs.

class EmbeddingLedger : public Embedding {
  protected:
    EmbeddingLedger() {
        conf.set("token_accounting.enabled", "on").set("state.directory", state.path());
        conf.set("consumer.tester.team", "testers").set("consumer.tester.tenant", "acme");
        conf.set("price.gpt-4o.input_per_1m", "2.50").set("price.gpt-4o.output_per_1m", "10");
        conf.set(fmt::format("price.{}.input_per_1m", model), "1000");
    }
    static long number_in(std::string_view page, std::string_view name, size_t from = 0) {
        const std::string key = "\"" + std::string(name) + "\":";
        const size_t at = page.find(key, from);
        return at == page.npos ? -1 : std::strtol(page.data() + at + key.size(), nullptr, 10);
    }
    std::string page(std::string_view rest, long attempts) {
        std::string told;
        const Deadline deadline = Deadline::standard();
        do {
            told = ask_once(loom().admin_port(), request("GET", "/ai/usage" + std::string(rest))).body;
        } while (number_in(told, "attempts") != attempts && !deadline.passed());
        EXPECT_EQ(number_in(told, "attempts"), attempts) << told;
        return told;
    }
    StateDirectory state;
};

TEST_F(EmbeddingLedger, WhoAsksPaysForTheVector) {
    begin();
    (void)keep(body_of(asked));
    EXPECT_EQ(status(body_of(in_other_words)), "semantic");
    const std::string told = page("/tester", 3);
    const size_t at = told.find(fmt::format(R"("model":"{}")", model));
    ASSERT_NE(at, told.npos) << told;
    EXPECT_EQ(number_in(told, "prompt", at), 14) << told;
    EXPECT_EQ(number_in(told, "attempts_estimated"), 0) << told;
    EXPECT_TRUE(contains(told, R"("cost":"0.0141425")")) << told << "\n2 x 7 tokens, and one answer";
    const std::string all = page("", 3);
    for (const char* const part : {R"("provider":"embed")", R"("tenant":"acme")", R"("team":"acme/testers")"})
        EXPECT_TRUE(contains(all, part)) << all;
    // The log's line of the one who was answered from the cache tells what that has cost.
    const std::string line = loom().wait_for_access_line(R"("cache":"semantic")");
    EXPECT_TRUE(contains(line, "0.007")) << line;
}

TEST_F(EmbeddingLedger, WhatWasAskedAndNotAnsweredIsEstimated) {
    embed_with([](UpstreamConnection& connection) { (void)connection.read_request(), connection.reset(); });
    begin();
    EXPECT_EQ(status(body_of(asked)), "miss");
    const std::string told = page("/tester", 2);
    const size_t at = told.find(fmt::format(R"("model":"{}")", model));
    ASSERT_NE(at, told.npos) << told;
    EXPECT_EQ(number_in(told, "prompt", at), 7) << told << "a quarter of the text's bytes";
    EXPECT_EQ(number_in(told, "attempts_estimated"), 1) << told;
}

TEST_F(EmbeddingLedger, WhatNeverLeftCostsNothing) {
    const FullBacklog full;
    conf.set("provider.embed.base_url", fmt::format("http://127.0.0.1:{}/v1", full.port()));
    conf.set("semantic_cache.embedding.timeout", "50ms");
    begin();
    EXPECT_EQ(status(body_of(asked)), "miss");
    EXPECT_EQ(count_of("late"), 1);
    const std::string told = page("/tester", 2);
    EXPECT_TRUE(contains(told, R"("cost":"0.0001425")")) << told;
    EXPECT_EQ(number_in(told, "attempts_estimated"), 0) << told;
}

TEST_F(EmbeddingLedger, NorDoesWhatADrainEndsWhileItConnects) {
    const FullBacklog full;
    conf.set("provider.embed.base_url", fmt::format("http://127.0.0.1:{}/v1", full.port()));
    conf.set("semantic_cache.embedding.timeout", "1s");  // and the call goes on for longer
    begin();
    EXPECT_EQ(status(body_of(asked)), "miss");
    loom().stop_cleanly();
    LoomProcess again(conf.text());
    const std::string told = ask_once(again.admin_port(), request("GET", "/ai/usage/tester")).body;
    EXPECT_EQ(number_in(told, "attempts"), 2) << told;
    EXPECT_TRUE(contains(told, R"("cost":"0.0001425")")) << told;
    EXPECT_EQ(number_in(told, "attempts_estimated"), 0) << told;
    again.stop_cleanly();
}

TEST_F(EmbeddingLedger, WhatWasRefusedCostsNothing) {
    embed_with(answer_always(answer("{}", "500 Internal Server Error")));
    begin();
    EXPECT_EQ(status(body_of(asked)), "miss");
    const std::string told = page("/tester", 2);
    EXPECT_TRUE(contains(told, R"("cost":"0.0001425")")) << told;
}

TEST_F(EmbeddingLedger, AnAnswerWithoutUsageIsEstimated) {
    embed_with(answer_with([](const Message& request) { return vector_answer(numbers_of(request.body), "null"); }));
    begin();
    (void)keep(body_of(asked));
    EXPECT_EQ(number_in(page("/tester", 2), "attempts_estimated"), 1);
}

TEST_F(EmbeddingLedger, AnAnswerThatTellsTheTotalAloneIsBookedByIt) {
    embed_with(answer_with(
        [](const Message& request) { return vector_answer(numbers_of(request.body), R"({"total_tokens":11})"); }));
    begin();
    (void)keep(body_of(asked));
    const std::string told = page("/tester", 2);
    EXPECT_EQ(number_in(told, "attempts_estimated"), 0) << told;
    EXPECT_TRUE(contains(told, R"("cost":"0.0111425")")) << told;
}

TEST_F(EmbeddingLedger, ItsMoneyIsOfTheBudget) {
    conf.set("token_accounting.limit.tester.budget.daily",
             "$0.0075");  // a vector is $0.007, an answer a good deal less
    begin();
    (void)keep(body_of(asked, R"(,"max_tokens":12)"));
    EXPECT_EQ(status(body_of(in_other_words, R"(,"max_tokens":12)")), "semantic") << "it was left a little";
    EXPECT_EQ(ask(chat_request(body_of("Which mountain is the tallest?", R"(,"max_tokens":12)"))).status(), 429);
    EXPECT_EQ(embedder().request_count(), 2u) << "whose budget is spent is not embedded for";
}

/// Whichever budget its client is under.
TEST_F(EmbeddingLedger, ItsMoneyIsOfEveryBudgetThatItsRequestIsUnder_AfterAKillToo) {
    conf.set("consumer.tester.tenant", "acme").set("consumer.tester.project", "x");
    for (const char* const of : {"tenant.acme", "project.x", "route.ai", "model.gpt-4o"})
        conf.set(fmt::format("token_accounting.{}.budget.daily", of), "$0.0075");
    begin();
    (void)keep(body_of(asked, R"(,"max_tokens":12)"));
    const auto told = [this] {
        const std::string limits = ask_once(loom().admin_port(), request("GET", "/ai/limits"), false).body;
        std::vector<std::string> used;
        for (size_t at = limits.find(R"("used":")"); at != limits.npos; at = limits.find(R"("used":")", at + 1))
            used.push_back(limits.substr(at, limits.find(',', at) - at));
        return used;
    };
    (void)page("/tester", 2);  // it is in the ledger
    const std::vector<std::string> before = told();
    ASSERT_EQ(before.size(), 4u);
    for (const std::string& one : before) EXPECT_TRUE(contains(one, "0.007")) << one;
    loom().signal(SIGKILL);
    (void)loom().wait_for_exit();
    begin();
    EXPECT_EQ(told(), before);
}

/// It was embedded before it was known what it would cost: who asks again and again would have that for nothing.
TEST_F(EmbeddingLedger, WhoIsRefusedByItsBudgetPaysForItsVectors) {
    conf.set("token_accounting.limit.tester.budget.daily", "$0.05").set("price.gpt-4o.output_per_1m", "1000");
    begin();
    for (int i = 0; i < 12; ++i)
        EXPECT_EQ(ask(chat_request(body_of(fmt::format("Mountain {}?", i), R"(,"max_tokens":1000000)"))).status(), 429);
    EXPECT_EQ(embedder().request_count(), 8u) << "of $0.007 each";
    EXPECT_EQ(upstream().request_count(), 0u);
}

/// The embedder's answer comes when its request is gone, and the conf is another.
TEST_F(EmbeddingLedger, WhoLeavesPaysForItsVectorAllTheSame) {
    conf.set("token_accounting.limit.tester.budget.daily", "$0.0069");
    Gate gate;
    embed_with([gate](UpstreamConnection& connection) {
        while (connection.read_request()) {
            gate.wait();
            if (!connection.send(vector_answer(numbers_of(asked)))) return;
        }
    });
    begin();
    RawClient leaves = client();
    leaves.send(chat_request(body_of(asked, R"(,"max_tokens":12)")));
    (void)embedder().request(0);
    leaves.reset();
    EXPECT_EQ(loom().eventually("loom_exchanges_live"), 0);
    begin_anew();
    gate.open();
    EXPECT_EQ(loom().eventually(R"(loom_ai_tokens_total{provider="embed",type="input"})"), 7);
    EXPECT_EQ(ask(chat_request(body_of("Which mountain?", R"(,"max_tokens":12)"))).status(), 429);
    EXPECT_EQ(upstream().request_count(), 0u);
}

TEST_F(EmbeddingLedger, AndWhoDidNotWaitForIt) {
    conf.set("token_accounting.limit.tester.budget.daily", "$0.007").set("semantic_cache.embedding.timeout", "1s");
    Gate gate;
    embed_with([gate](UpstreamConnection& connection) {
        while (connection.read_request()) {
            gate.wait();
            if (!connection.send(vector_answer(numbers_of(asked)))) return;
        }
    });
    begin();
    EXPECT_EQ(status(body_of(asked, R"(,"max_tokens":12)")), "miss");
    EXPECT_EQ(count_of("late"), 1);
    gate.open();
    EXPECT_EQ(loom().eventually(R"(loom_ai_tokens_total{provider="embed",type="input"})"), 7);
    EXPECT_EQ(ask(chat_request(body_of("Which mountain?", R"(,"max_tokens":12)"))).status(), 429);
}

// In every provider's own words.

TEST_F(Embedding, InAzuresWords) {
    conf.set("provider.embed.type", "azure_openai").set("provider.embed.base_url", embedder().origin());
    conf.set("provider.embed.api_version", "2024-02-01");
    conf.set(fmt::format("provider.embed.deployment.{}", model), "our-vectors").set("provider.embed.models", "");
    begin();
    (void)keep(body_of(asked));
    const Message sent = embedder().request(0);
    EXPECT_EQ(sent.head.start_line, "POST /openai/deployments/our-vectors/embeddings?api-version=2024-02-01 HTTP/1.1");
    EXPECT_EQ(sent.head.value("api-key"), "sk-of-the-embedder");
    EXPECT_EQ(status(body_of(in_other_words)), "semantic");
}

TEST_F(Embedding, InCoheresWords) {
    conf.set("provider.embed.type", "cohere").set("provider.embed.base_url", embedder().origin());
    conf.set("semantic_cache.embedding.model", "embed-v4.0").set("provider.embed.models", "embed-v4.0");
    embed_with(answer_with([](const Message& request) {
        return answer(
            fmt::format(R"({{"id":"1","embeddings":{{"float":[{}]}},"meta":{{"billed_units":{{"input_tokens":5}}}}}})",
                        numbers_of(request.body)));
    }));
    begin();
    (void)keep(body_of(asked));
    const Message sent = embedder().request(0);
    EXPECT_EQ(sent.head.start_line, "POST /v2/embed HTTP/1.1");
    EXPECT_TRUE(contains(sent.body, R"("texts":["How do I)")) << sent.body;
    EXPECT_EQ(status(body_of(in_other_words)), "semantic");
    EXPECT_EQ(loom().eventually(R"(loom_ai_tokens_total{provider="embed",type="input"})"), 10);
}

TEST_F(Embedding, InGeminisWords) {
    conf.set("provider.embed.type", "gemini").set("provider.embed.base_url", embedder().origin());
    conf.set("semantic_cache.embedding.model", "gemini-embedding-001");
    conf.set("provider.embed.models", "gemini-embedding-001");
    embed_with(answer_with([](const Message& request) {
        return answer(fmt::format(R"({{"embeddings":[{{"values":{}}}]}})", numbers_of(request.body)));
    }));
    begin();
    (void)keep(body_of(asked));
    const Message sent = embedder().request(0);
    EXPECT_EQ(sent.head.start_line, "POST /v1beta/models/gemini-embedding-001:batchEmbedContents HTTP/1.1");
    EXPECT_EQ(sent.head.value("x-goog-api-key"), "sk-of-the-embedder");
    EXPECT_TRUE(contains(sent.body, "SEMANTIC_SIMILARITY")) << sent.body;
    EXPECT_EQ(status(body_of(in_other_words)), "semantic");
}

TEST_F(Embedding, InTitansWordsAndSigned) {
    conf.set("provider.embed.type", "bedrock").set("provider.embed.base_url", embedder().origin());
    conf.set("provider.embed.api_key", "").set("provider.embed.location", "us-east-1");
    conf.set("provider.embed.access_key_id", "AKIDEXAMPLE").set("provider.embed.secret_access_key", "of-aws");
    conf.set("semantic_cache.embedding.model", "amazon.titan-embed-text-v2:0");
    conf.set("provider.embed.models", "amazon.titan-embed-text-v2:0");
    embed_with(answer_with([](const Message& request) {
        return answer(fmt::format(R"({{"embedding":{},"inputTextTokenCount":6}})", numbers_of(request.body)));
    }));
    begin();
    (void)keep(body_of(asked));
    const Message sent = embedder().request(0);
    EXPECT_EQ(sent.head.start_line, "POST /model/amazon.titan-embed-text-v2%3A0/invoke HTTP/1.1");
    EXPECT_EQ(signature_fault(sent, {.access_key_id = "AKIDEXAMPLE",
                                     .secret_access_key = "of-aws",
                                     .session_token = "",
                                     .region = "us-east-1"}),
              "");
    EXPECT_EQ(status(body_of(in_other_words)), "semantic");
}

}  // namespace
}  // namespace loom::wire
