// What providers store under one key for many clients: each sees its own, and nothing else is there.
#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>

#include "fixture.h"

namespace loom::wire {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view other_key = "sk-other-0123456789abcdef";
constexpr std::string_view json_type = "Content-Type: application/json\r\n";

std::string bearer(std::string_view key) { return "Authorization: Bearer " + std::string(key) + "\r\n"; }

/// A provider that stores: it gives ids in one row, lists what there is, newest first, and finds whatever is asked for.
/// Whatever it is asked for by an id, it has it: what is refused, Loom refuses.
class StoringProvider {
  public:
    std::string answer_to(const Message& asked) {
        const std::string target = asked.target();
        const std::string path = target.substr(0, target.find('?'));
        if (asked.method() == "GET" && (path == "/v1/files" || path == "/v1/batches")) return list(path, target);
        if (asked.method() != "POST")
            return answer(R"({"id":")" + path.substr(path.rfind('/') + 1) + R"(","found":true})");
        if (path == "/v1/files") return make(path, "file");
        if (path == "/v1/batches") return make(path, "batch");
        if (path == "/v1/responses") return respond(asked.body);
        return answer(
            R"({"id":"other-1","object":"other","usage":{"prompt_tokens":9,"completion_tokens":12,"total_tokens":21}})");
    }

  private:
    std::string make(const std::string& path, const std::string& kind) {
        const std::lock_guard lock(mutex_);
        const std::string id = kind + "-" + std::to_string(++count_);
        made_[path].insert(made_[path].begin(), id);
        const std::string output = kind == "batch" ? R"(,"output_file_id":"file-of-)" + id + '"' : "";
        return answer(R"({"id":")" + id + R"(","object":")" + kind + '"' + output + "}");
    }
    std::string respond(const std::string& body) {
        const std::lock_guard lock(mutex_);
        const std::string number = std::to_string(++count_);
        const std::string response = R"({"id":"resp-)" + number +
                                     R"(","object":"response","output":[{"type":"message","id":"msg-)" + number +
                                     R"("}],"usage":{"input_tokens":9,"output_tokens":12,"total_tokens":21}})";
        if (!contains(body, R"("stream":true)")) return answer(response);
        const std::string begun = R"({"id":"resp-)" + number + R"(","output":[]})";
        return sse_answer(
            "event: response.created\ndata: {\"type\":\"response.created\",\"response\":" + begun + "}\n\n" +
            "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"Hi\"}\n\n" +
            "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":" + response + "}\n\n");
    }
    static std::string parameter(const std::string& target, const std::string& name) {
        const size_t at = target.find(name + "=");
        return at == target.npos ? ""
                                 : target.substr(at + name.size() + 1, target.find('&', at) - at - name.size() - 1);
    }
    std::string list(const std::string& path, const std::string& target) {
        const std::lock_guard lock(mutex_);
        std::vector<std::string> all = made_[path];
        if (const std::string after = parameter(target, "after"); !after.empty())
            all.erase(all.begin(), std::ranges::find(all, after) + 1);
        const std::string limit = parameter(target, "limit");
        const size_t count = std::min<size_t>(all.size(), limit.empty() ? 20 : std::stoul(limit));
        std::string data;
        for (size_t i = 0; i < count; ++i) data += (i == 0 ? "" : ",") + (R"({"id":")" + all[i] + R"("})");
        const auto edge = [&](size_t i) { return count == 0 ? "null" : '"' + all[i] + '"'; };
        return answer(R"({"object":"list","data":[)" + data + R"(],"first_id":)" + edge(0) + R"(,"last_id":)" +
                      edge(count - 1) + R"(,"has_more":)" + (count < all.size() ? "true}" : "false}"));
    }

    std::mutex mutex_;
    int count_ = 0;
    std::map<std::string, std::vector<std::string>> made_;
};

class Resources : public WireTest {
  protected:
    void SetUp() override {
        char name[] = "/tmp/loom-state-XXXXXX";
        directory_ = ::mkdtemp(name);
        conf.set("consumer.other.api_key", std::string(other_key)).set("state.directory", directory_);
        conf.set("route.ai.passthrough",
                 "files, uploads, batches, responses, vector_stores, images, audio, moderations, rerank");
    }
    void TearDown() override {
        WireTest::TearDown();
        fs::remove_all(directory_);
    }
    void start_storing() {
        start(answer_with([this](const Message& asked) { return provider_.answer_to(asked); }));
    }

    Message call(std::string_view key, std::string_view method, std::string_view target, std::string_view body = "",
                 std::string_view headers = json_type) {
        return ask(request(method, target, bearer(key) + std::string(headers), body));
    }
    std::string upload(std::string_view key) {
        const std::string form =
            "--B0\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n"
            "--B0\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n{}\r\n--B0--\r\n";
        return json_text(
            call(key, "POST", "/v1/files", form, "Content-Type: multipart/form-data; boundary=B0\r\n").body, "id");
    }
    /// As for an id that nobody ever had: the same bytes but for the id, and nobody else was asked.
    void expect_not_there(std::string_view key, std::string_view method, const std::string& target, std::string_view id,
                          const std::string& body = "") {
        const size_t asked = upstream().request_count();
        const auto with = [&](std::string text, std::string_view other) {
            for (size_t at = 0; (at = text.find(id, at)) != text.npos; at += other.size())
                text.replace(at, id.size(), other);
            return text;
        };
        const std::string never = "never-was";
        const Message refused = call(key, method, target, body);
        const Message unknown = call(key, method, with(target, never), with(body, never));
        expect_error(refused, 404, "not_found");
        EXPECT_EQ(with(refused.body, never), unknown.body) << target;
        EXPECT_EQ(refused.head.fields.size(), unknown.head.fields.size()) << target;
        EXPECT_EQ(upstream().request_count(), asked) << target << body;
    }

    std::string directory_;
    StoringProvider provider_;
};

TEST_F(Resources, AFileIsItsMakersAlone) {
    start_storing();
    const std::string id = upload(client_key);
    ASSERT_EQ(id, "file-1");
    for (const std::string target : {"/v1/files/file-1", "/v1/files/file-1/content"}) {
        EXPECT_EQ(call(client_key, "GET", target).status(), 200) << target;
        expect_not_there(other_key, "GET", target, id);
    }
    expect_not_there(other_key, "DELETE", "/v1/files/file-1", id);
    EXPECT_EQ(call(client_key, "DELETE", "/v1/files/file-1").status(), 200);
    expect_not_there(client_key, "GET", "/v1/files/file-1", id);
}

TEST_F(Resources, ARequestCannotNameAnothers) {
    start_storing();
    const std::string file = upload(client_key);
    const std::string response =
        json_text(call(client_key, "POST", "/v1/responses", R"({"model":"gpt-4o","input":"x"})").body, "id");
    ASSERT_EQ(response, "resp-2");
    struct Case {
        std::string target, body, id;
    };
    for (
        const Case& one :
        {Case{"/v1/batches", R"({"input_file_id":"file-1"})", "file-1"},
         Case{"/v1/vector_stores", R"({"file_ids":["file-1"]})", "file-1"},
         Case{"/v1/responses", R"({"model":"gpt-4o","input":"x","previous_response_id":"resp-2"})", "resp-2"},
         Case{"/v1/responses", R"({"model":"gpt-4o","input":[{"type":"item_reference","id":"msg-2"}]})", "msg-2"},
         Case{"/v1/responses",
              R"({"model":"gpt-4o","input":[{"role":"user","content":[{"type":"input_file","file_id":"file-1"}]}]})",
              "file-1"},
         Case{
             "/v1/chat/completions",
             R"({"model":"gpt-4o","messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"file-1"}}]}]})",
             "file-1"},
         Case{"/v1/images/edits", R"({"model":"gpt-4o","images":[{"file_id":"file-1"}]})", "file-1"}}) {
        expect_not_there(other_key, "POST", one.target, one.id, one.body);
        EXPECT_EQ(call(client_key, "POST", one.target, one.body).status(), 200) << one.target << one.body;
        EXPECT_EQ(upstream().last_request().body, one.body) << "and it goes on as it came";
    }
}

TEST_F(Resources, WhatABatchBringsIsItsMakers) {
    start_storing();
    const std::string file = upload(client_key);
    ASSERT_EQ(call(client_key, "POST", "/v1/batches", R"({"input_file_id":")" + file + "\"}").status(), 200);
    EXPECT_EQ(call(client_key, "GET", "/v1/files/file-of-batch-2/content").status(), 200);
    expect_not_there(other_key, "GET", "/v1/files/file-of-batch-2/content", "file-of-batch-2");
    expect_not_there(other_key, "POST", "/v1/batches/batch-2/cancel", "batch-2", "{}");
}

TEST_F(Resources, AStreamedResponseCanBeGoneOnWith) {
    start_storing();
    const Message stream = call(client_key, "POST", "/v1/responses", R"({"model":"gpt-4o","stream":true,"input":"x"})");
    EXPECT_EQ(stream.status(), 200);
    EXPECT_TRUE(stream.is_whole());
    EXPECT_TRUE(contains(stream.body, "resp-1")) << stream.body;
    EXPECT_TRUE(contains(stream.body, R"("delta":"Hi")"));
    EXPECT_TRUE(contains(loom().wait_for_access_line("\"stream\":true"), "\"tokens_output\":12"));
    const std::string next = R"({"model":"gpt-4o","input":"x","previous_response_id":"resp-1"})";
    EXPECT_EQ(call(client_key, "POST", "/v1/responses", next).status(), 200);
    expect_not_there(other_key, "POST", "/v1/responses", "resp-1", next);
    EXPECT_EQ(call(client_key, "GET", "/v1/responses/resp-1").status(), 200);
    EXPECT_EQ(call(client_key, "GET", "/v1/responses/resp-1/input_items").status(), 200);
    expect_not_there(other_key, "GET", "/v1/responses/resp-1", "resp-1");
    expect_not_there(other_key, "POST", "/v1/responses/resp-1/cancel", "resp-1");
    EXPECT_EQ(call(client_key, "DELETE", "/v1/responses/resp-1").status(), 200);
    expect_not_there(client_key, "POST", "/v1/responses", "resp-1", next);
}

/// The event that brings the last ids is the one that tells of the failure: it is read once, however it waits.
TEST_F(Resources, AStreamThatFailsIsCountedAsFailed) {
    const std::string failed =
        R"({"type":"response.failed","response":{"id":"resp-1","output":[{"id":"msg-1"}],"error":{"code":"x","message":"y"}}})";
    start(answer_with([&](const Message&) {
        return sse_answer(
            "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"resp-1\"}}\n\n"
            "event: response.failed\ndata: " +
            failed + "\n\n");
    }));
    const Message stream = call(client_key, "POST", "/v1/responses", R"({"model":"gpt-4o","stream":true,"input":"x"})");
    EXPECT_TRUE(contains(stream.body, failed)) << stream.body;
    (void)loom().wait_for_access_line("/v1/responses");
    const auto metrics = loom().metrics();
    EXPECT_EQ(sum_where(metrics, "loom_ai_requests_total", {"provider=\"mock\"", "outcome=\"error\""}) +
                  sum_where(metrics, "loom_ai_requests_total", {"provider=\"mock\"", "status=\"error\""}),
              1);
}

TEST_F(Resources, AListShowsItsReadersOwn) {
    start_storing();
    EXPECT_EQ(call(other_key, "GET", "/v1/files").body,
              R"({"object":"list","data":[],"first_id":null,"last_id":null,"has_more":false})");
    EXPECT_EQ(upstream().request_count(), 0U) << "who has nothing is told so at once";
    for (int i = 0; i < 3; ++i) upload(client_key);
    upload(other_key);
    upload(client_key);
    EXPECT_EQ(call(client_key, "GET", "/v1/files").body,
              R"({"object":"list","data":[{"id":"file-5"},{"id":"file-3"},{"id":"file-2"},{"id":"file-1"}],)"
              R"("first_id":"file-5","last_id":"file-1","has_more":false})");
    EXPECT_EQ(call(other_key, "GET", "/v1/files").body,
              R"({"object":"list","data":[{"id":"file-4"}],"first_id":"file-4","last_id":"file-4","has_more":false})");
    expect_not_there(other_key, "GET", "/v1/files?after=file-5", "file-5");
}

/// Clients take an empty page for the last one, whatever has_more says.
TEST_F(Resources, PagesOfOthersDoNotEndAClientsReading) {
    start_storing();
    std::vector<std::string> own;
    for (int i = 0; i < 90; ++i) {
        const bool mine = i % 45 == 0;
        const std::string id = upload(mine ? other_key : client_key);
        if (mine) own.insert(own.begin(), id);
    }
    std::vector<std::string> read;
    std::string target = "/v1/files?limit=1&order=desc";
    for (int page = 0; page < 10; ++page) {
        const Message answer = call(other_key, "GET", target);
        ASSERT_EQ(answer.status(), 200);
        const std::string id = json_text(answer.body, "id");
        if (id.empty()) break;
        read.push_back(id);
        EXPECT_EQ(json_text(answer.body, "last_id"), id);
        if (contains(answer.body, R"("has_more":false)")) break;
        target = "/v1/files?limit=1&order=desc&after=" + id;
    }
    EXPECT_EQ(read, own);
    EXPECT_TRUE(contains(upstream().last_request().target(), "order=desc")) << upstream().last_request().target();
}

TEST_F(Resources, ConsumersOfOneTenantShareAndOneOfItsNameDoesNot) {
    conf.set("consumer.tester.tenant", "team")
        .set("consumer.third.api_key", "sk-third")
        .set("consumer.third.tenant", "team");
    conf.set("consumer.team.api_key", "sk-team");
    start_storing();
    ASSERT_EQ(upload(client_key), "file-1");
    EXPECT_EQ(call("sk-third", "GET", "/v1/files/file-1").status(), 200);
    expect_not_there("sk-team", "GET", "/v1/files/file-1", "file-1");
}

TEST_F(Resources, ARestartForgetsNothing) {
    start_storing();
    ASSERT_EQ(upload(client_key), "file-1");
    loom().signal(SIGKILL);
    (void)loom().wait_for_exit();
    conf.use_upstream(upstream().port());
    LoomProcess second(conf.text());
    const auto get_it = [&](std::string_view key) {
        return ask_once(second.port(), request("GET", "/v1/files/file-1", bearer(key)));
    };
    EXPECT_EQ(get_it(client_key).status(), 200);
    expect_error(get_it(other_key), 404, "not_found");
    second.stop_cleanly();
}

/// A name is given again, to one that is made and to one of the conf: what its former owner stored is not the next's.
TEST_F(Resources, AFormerConsumersAreNotItsNamesakes) {
    conf.set("auth.issued_keys", "on");
    start_storing();
    const auto admin = [&](std::string_view method, const std::string& target, std::string_view body = "") {
        return ask_once(loom().admin_port(), request(method, target, "", body), false);
    };
    const auto remade = [&] {
        EXPECT_EQ(admin("POST", "/ai/consumers", R"({"name":"ci"})").status(), 201);
        return json_text(admin("POST", "/ai/keys?consumer=ci").body, "key");
    };
    const std::string first = remade();
    ASSERT_EQ(upload(first), "file-1");
    EXPECT_EQ(admin("PATCH", "/ai/consumers/ci", R"({"tier":"gold"})").status(), 200);
    EXPECT_EQ(call(first, "GET", "/v1/files/file-1").status(), 200) << "a change makes it nobody else";
    loom().signal(SIGKILL);
    (void)loom().wait_for_exit();
    start_storing();
    EXPECT_EQ(call(first, "GET", "/v1/files/file-1").status(), 200) << "nor does a restart";
    EXPECT_EQ(admin("DELETE", "/ai/consumers/ci").status(), 200);
    const std::string second = remade();
    expect_error(call(second, "GET", "/v1/files/file-1"), 404, "not_found");
    EXPECT_EQ(call(client_key, "GET", "/v1/files/file-1").status(), 404);
    loom().reload(conf.set("consumer.ci.api_key", "sk-ci-of-the-conf").text());
    EXPECT_EQ(call("sk-ci-of-the-conf", "GET", "/v1/files/file-1").status(), 404);
}

TEST_F(Resources, ShardsKnowTheSame) {
    conf.set("loop.shards", "2");
    start_storing();
    ASSERT_EQ(upload(client_key), "file-1");
    for (int i = 0; i < 16; ++i) {  // connections fall on either shard
        EXPECT_EQ(call(client_key, "GET", "/v1/files/file-1").status(), 200);
        EXPECT_EQ(call(other_key, "GET", "/v1/files/file-1").status(), 404);
    }
}

TEST_F(Resources, GoToTheProviderThatHasThem) {
    StoringProvider second_store;
    ScriptedUpstream second(answer_with([&](const Message& asked) { return second_store.answer_to(asked); }));
    conf.set("provider.second.type", "openai").set("provider.second.base_url", second.origin() + "/v1");
    conf.set("provider.second.api_key", "sk-second").set("provider.second.models", "o-second, gpt-4o");
    conf.set("route.second.path", "/second/*").set("route.second.provider", "second");
    start_storing();
    const Message made = call(client_key, "POST", "/v1/responses", R"({"model":"o-second","input":"x"})");
    ASSERT_EQ(json_text(made.body, "id"), "resp-1");
    EXPECT_EQ(second.request_count(), 1U);
    EXPECT_EQ(call(client_key, "GET", "/v1/responses/resp-1").status(), 200);
    // The model alone would lead to the first; so would it for a provider that stores nothing.
    EXPECT_EQ(
        call(client_key, "POST", "/v1/responses", R"({"model":"gpt-4o","input":"x","previous_response_id":"resp-1"})")
            .status(),
        200);
    EXPECT_EQ(second.request_count(), 3U);
    EXPECT_EQ(upstream().request_count(), 0U);
    ASSERT_EQ(upload(client_key), "file-1");  // at the first
    expect_error(
        call(
            client_key, "POST", "/v1/responses",
            R"({"model":"gpt-4o","previous_response_id":"resp-1","input":[{"content":[{"type":"input_file","file_id":"file-1"}]}]})"),
        400);
    expect_error(call(client_key, "POST", "/v1/responses",
                      R"({"model":"gpt-4o-mini","input":"x","previous_response_id":"resp-1"})"),
                 400);
    EXPECT_EQ(upstream().request_count(), 1U);
}

TEST_F(Resources, CallsForAModelGoWhereTheModelIs) {
    ScriptedUpstream second(
        answer_always(answer(R"({"results":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}})")));
    conf.set("provider.second.type", "openai").set("provider.second.base_url", second.origin() + "/v1");
    conf.set("provider.second.api_key", "sk-second").set("provider.second.models", "o-second");
    conf.set("model_mapping.o-short.second", "o-second-2024").set("consumer.other.models", "o-*");
    start_storing();
    const std::string form =
        "--B0\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\no-short\r\n--B0\r\n"
        "Content-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n" +
        std::string(200'000, 'x') + "\r\n--B0--\r\n";
    for (const char* target : {"/v1/moderations", "/v1/rerank", "/v1/images/generations", "/v1/audio/speech"}) {
        EXPECT_EQ(call(other_key, "POST", target, R"({"model":"o-short","input":"x"})").status(), 200) << target;
        EXPECT_EQ(upstream().request_count(), 0U);
        EXPECT_EQ(second.last_request().body, R"({"model":"o-second-2024","input":"x"})");
        EXPECT_EQ(second.last_request().target(), target);
        expect_error(call(other_key, "POST", target, R"({"model":"gpt-4o","input":"x"})"), 403);
        expect_error(call(client_key, "POST", target, R"({"model":"nobody","input":"x"})"), 404, "model_not_found");
    }
    const std::string named = std::string(json_type) + "X-Request-Id: told\r\n";
    EXPECT_EQ(call(other_key, "POST", "/v1/rerank", R"({"model":"o-second"})", named).status(), 200);
    EXPECT_TRUE(contains(loom().wait_for_access_line("\"told\""), "\"tokens_output\":4"));
    const std::string type = "Content-Type: multipart/form-data; boundary=B0\r\n";
    EXPECT_EQ(call(other_key, "POST", "/v1/audio/transcriptions", form, type).status(), 200);
    std::string renamed = form;
    renamed.replace(renamed.find("o-short"), 7, "o-second-2024");
    EXPECT_EQ(second.last_request().body, renamed);
    const std::string late = "--B0\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n" +
                             std::string(200'000, 'x') +
                             "\r\n--B0\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\no-second\r\n--B0--\r\n";
    expect_error(call(other_key, "POST", "/v1/audio/transcriptions", late, type), 400);  // which may not use all models
    EXPECT_EQ(call(client_key, "POST", "/v1/audio/transcriptions", late, type).status(), 200);
    EXPECT_EQ(upstream().last_request().body, late);
}

TEST_F(Resources, WhatIsNotKnownOfAFamilyIsNotRelayed) {
    start_storing();
    for (const char* target : {"/v1/files/file-1/secret", "/v1/batches/x/y/z", "/v1/uploads"})
        EXPECT_EQ(call(client_key, "GET", target).status(), 404) << target;
    expect_error(call(client_key, "GET", "/v1/threads/t-1"), 403);
    EXPECT_EQ(upstream().request_count(), 0U);
}

TEST_F(Resources, WhoIsAloneMayNameWhatLoomNeverSaw) {
    conf.set("consumer.tester.api_key", "").set("consumer.other.api_key", "").set("route.ai.auth.type", "none");
    start_storing();
    EXPECT_EQ(call("x", "GET", "/v1/files/file-of-before").status(), 200);
    EXPECT_EQ(call("x", "GET", "/v1/files/file-1/something/new").status(), 200);
    EXPECT_EQ(call("x", "POST", "/v1/responses", R"({"model":"gpt-4o","input":"x","previous_response_id":"resp-old"})")
                  .status(),
              200);
    ASSERT_EQ(upload("x"), "file-2");
    EXPECT_TRUE(contains(call("x", "GET", "/v1/files").body, "file-2"));
}

TEST_F(Resources, AnAnthropicClientIsToldInItsOwnShape) {
    conf.set("provider.mock.type", "anthropic");
    start(answer_with([](const Message& asked) {
        return answer(
            asked.method() == "POST"
                ? R"({"id":"msgbatch_1","type":"message_batch"})"
                : R"({"data":[{"id":"msgbatch_1"},{"id":"msgbatch_0"}],"has_more":false,"first_id":"msgbatch_1","last_id":"msgbatch_0"})");
    }));
    const std::string lines = "anthropic-version: 2023-06-01\r\n" + std::string(json_type);
    EXPECT_EQ(call(client_key, "POST", "/v1/messages/batches", R"({"requests":[]})", lines).status(), 200);
    EXPECT_EQ(upstream().last_request().target(), "/v1/messages/batches");
    EXPECT_EQ(call(client_key, "GET", "/v1/messages/batches", "", lines).body,
              R"({"data":[{"id":"msgbatch_1"}],"has_more":false,"first_id":"msgbatch_1","last_id":"msgbatch_1"})");
    for (const char* target : {"/v1/messages/batches/msgbatch_1/results", "/v1/files/file_1"}) {
        const Message refused = call(other_key, "GET", target, "", lines);
        EXPECT_EQ(refused.status(), 404);
        EXPECT_TRUE(contains(refused.body, R"({"type":"error","error":{"type":"not_found_error")")) << refused.body;
    }
}

/// Holds what SQLite's writers take turns by (sqlite.org/walformat.html: byte 120 of the -shm file), as another process
/// that never ends its transaction would.
class HeldRegister {
  public:
    explicit HeldRegister(const std::string& directory)
        : fd_(::open((directory + "/resources.db-shm").c_str(), O_RDWR)) {
        struct flock lock{};
        lock.l_type = F_WRLCK;
        lock.l_whence = SEEK_SET;
        lock.l_start = 120;
        lock.l_len = 1;
        EXPECT_EQ(::fcntl(fd_, F_SETLK, &lock), 0);
    }
    ~HeldRegister() { ::close(fd_); }

  private:
    int fd_;
};

/// An id is in the register before its client has it; where it cannot be written, the client does not get it.
TEST_F(Resources, WithoutTheRegisterNoIdIsGivenAndNothingWaitsForEver) {
    start_storing();
    ASSERT_EQ(upload(client_key), "file-1");
    {
        const HeldRegister held(directory_);
        const Message refused = call(client_key, "POST", "/v1/batches", R"({"input_file_id":"file-1"})");
        expect_error(refused, 503, "store_unavailable");
        EXPECT_TRUE(contains(refused.body, "state.directory")) << refused.body;
        EXPECT_FALSE(contains(refused.raw(), "batch-2")) << refused.raw();
        const Message stream =
            call(client_key, "POST", "/v1/responses", R"({"model":"gpt-4o","stream":true,"input":"x"})");
        EXPECT_TRUE(contains(stream.body, "register of ids")) << stream.body;
        EXPECT_FALSE(contains(stream.body, "resp-3")) << stream.body;
        EXPECT_EQ(call(client_key, "GET", "/v1/files/file-1").status(), 200) << "what is known is read all the same";
    }
    EXPECT_TRUE(contains(loom().log(), "the register of ids: database is locked")) << loom().log();
    EXPECT_EQ(upload(client_key), "file-4");
    EXPECT_EQ(call(client_key, "GET", "/v1/files/file-4").status(), 200);
}

TEST_F(Resources, AFileThatIsNoRegisterStopsTheStart) {
    std::ofstream(directory_ + "/resources.db") << std::string(5'000, 'x');
    conf.set("provider.mock.base_url", "http://127.0.0.1:1/v1");
    const Exit exit = LoomProcess::run_to_end(conf.text());
    EXPECT_EQ(exit.code, 78);
    EXPECT_TRUE(contains(exit.log, "resources.db: is damaged")) << exit.log;
}

TEST_F(Resources, CheckWarnsOfWhatARestartForgets) {
    start_storing();
    EXPECT_FALSE(contains(loom().check_conf(), "lost at a restart"));
    conf.set("state.directory", "");
    loom().reload(conf.text());
    const std::string text = loom().check_conf();
    EXPECT_TRUE(contains(text, "route.ai.passthrough")) << text;
    EXPECT_TRUE(contains(text, "lost at a restart")) << text;
    EXPECT_TRUE(contains(text, "state.directory = /var/lib/loom")) << text;
}

}  // namespace
}  // namespace loom::wire
