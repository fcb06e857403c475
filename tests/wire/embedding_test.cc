// Texts' vectors by a provider's work: who is asked for what and how often, and that an embedder that is slow, away,
// wrong or hostile harms nobody.
#include "embedding_fixture.h"

#include <atomic>

namespace loom::wire {
namespace {

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
    embed_with(wait_for(gate, vector_answer(numbers_of(asked))));
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

/// Longer than the rest of who says nothing, which is a second.
TEST_F(Embedding, WhoSaysUntilWhenIsHeardAsWell) {
    embed_with(answer_always(answer("{}", "429 Too Many Requests", "Retry-After: Fri, 31 Dec 2100 23:59:59 GMT\r\n")));
    begin();
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(1'500);
    for (int i = 0; std::chrono::steady_clock::now() < end; ++i) {
        EXPECT_EQ(status(body_of(asked, fmt::format(R"(,"seed":{})", i))), "miss");
        std::this_thread::sleep_for(std::chrono::milliseconds(50));  // the pace of it
    }
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
    (void)keep(body_of("Which mountain is the tallest?"), 1);  // alone: the other's vector is another model's now
    gone.wait();                                               // nobody is asked over that connection any more
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
    embed_with(wait_for(gate, vector_answer(numbers_of(asked))));
    begin();
    for (int i = 0; i < 4; ++i) {
        RawClient leaves = client();
        leaves.send(chat_request(body_of(asked, fmt::format(R"(,"seed":{})", i))));
        (void)embedder().request(0);
        if (i > 0) EXPECT_EQ(count_of("joined"), i);
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

}  // namespace
}  // namespace loom::wire
