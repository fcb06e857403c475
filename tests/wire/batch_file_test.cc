// A batch's file is read as it is uploaded: what its lines name must be its uploader's, as in requests of their own.
#include <sys/socket.h>

#include <array>
#include <filesystem>

#include "fixture.h"

namespace loom::wire {
namespace {

constexpr std::string_view other_key = "sk-other-0123456789abcdef";
const std::string form_type = "Content-Type: multipart/form-data; boundary=B0\r\n";

std::string bearer(std::string_view key) { return "Authorization: Bearer " + std::string(key) + "\r\n"; }
std::string field(std::string_view name, std::string_view value) {
    return "--B0\r\nContent-Disposition: form-data; name=\"" + std::string(name) + "\"\r\n\r\n" + std::string(value) +
           "\r\n";
}
std::string file(std::string_view lines) {
    return "--B0\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f.jsonl\"\r\n"
           "Content-Type: application/octet-stream\r\n\r\n" +
           std::string(lines) + "\r\n";
}
std::string batch_form(std::string_view lines) { return field("purpose", "batch") + file(lines) + "--B0--\r\n"; }
std::string form_with_late_purpose(std::string_view lines, std::string_view purpose = "batch") {
    return file(lines) + field("purpose", purpose) + "--B0--\r\n";
}
std::string line(std::string_view body) {
    return R"({"custom_id":"c","method":"POST","url":"/v1/responses","body":)" + std::string(body) + "}\n";
}
std::string line_naming(std::string_view id) {
    return line(R"({"model":"gpt-4o","input":"x","previous_response_id":")" + std::string(id) + "\"}");
}

class BatchFile : public WireTest {
  protected:
    void SetUp() override {
        char name[] = "/tmp/loom-state-XXXXXX";
        directory_ = ::mkdtemp(name);
        conf.set("consumer.other.api_key", std::string(other_key)).set("state.directory", directory_);
        conf.set("route.ai.passthrough", "files, uploads, batches, responses, vector_stores");
    }
    void TearDown() override {
        WireTest::TearDown();
        std::filesystem::remove_all(directory_);
    }
    void start_storing() {
        start(answer_with([this](const Message& asked) {
            const std::string kind = contains(asked.target(), "/responses") ? "resp" : "file";
            return answer(R"({"id":")" + kind + "-" + std::to_string(++count_) + R"(","object":"x"})");
        }));
    }
    Message upload(std::string_view key, const std::string& form) {
        return ask(request("POST", "/v1/files", bearer(key) + form_type, form));
    }
    std::string make_response(std::string_view key) {
        const std::string lines = bearer(key) + "Content-Type: application/json\r\n";
        return json_text(ask(request("POST", "/v1/responses", lines, R"({"model":"gpt-4o","input":"x"})")).body, "id");
    }
    void expect_refused(const Message& refused, int status, std::string_view code, std::string_view part) {
        expect_error(refused, status, code);
        EXPECT_TRUE(contains(refused.body, part)) << refused.body;
    }

    std::string directory_;
    std::atomic<int> count_ = 0;
};

TEST_F(BatchFile, CannotNameWhatIsAnothers) {
    start_storing();
    const std::string id = make_response(client_key);
    ASSERT_EQ(id, "resp-1");
    const std::string lines = line("{}") + "\r\n" + line_naming(id);
    const std::string never = line("{}") + "\r\n" + line_naming("never-was");
    for (const std::string& form : {batch_form(lines), form_with_late_purpose(lines)}) {
        const size_t asked = upstream().request_count();
        const Message refused = upload(other_key, form);
        expect_refused(refused, 404, "not_found", "resp-1 (line 3 of the batch's file)");
        std::string body = upload(other_key, batch_form(never)).body;
        body.replace(body.find("never-was"), 9, id);
        EXPECT_EQ(refused.body, body) << "as for an id that nobody ever had";
        EXPECT_EQ(upstream().request_count(), asked) << "no whole form has come there";
        EXPECT_EQ(upload(client_key, form).status(), 200);
        EXPECT_EQ(upstream().last_request().body, form) << "and it goes on as it came";
    }
}

TEST_F(BatchFile, IsJudgedHoweverItIsSent) {
    start_storing();
    const std::string id = make_response(client_key);
    std::string lines;
    for (int i = 0; i < 3000; ++i) lines += line(R"({"input":")" + std::string(i % 500, 'x') + "\"}");
    const std::string form = form_with_late_purpose(lines + line_naming(id));
    const std::string head = "POST /v1/files HTTP/1.1\r\nHost: loom\r\n" + form_type + "Transfer-Encoding: chunked\r\n";
    const auto chunked = [&](size_t bytes) {
        std::string body;
        for (size_t at = 0; at < form.size(); at += bytes) body += chunk(form.substr(at, bytes));
        return body + std::string(last_chunk);
    };
    for (const size_t bytes : {1'000UL, 60'000UL, form.size()}) {
        EXPECT_EQ(ask(head + bearer(client_key) + "\r\n" + chunked(bytes)).status(), 200);
        EXPECT_EQ(upstream().last_request().body, form) << bytes;
        const size_t asked = upstream().request_count();
        expect_refused(ask(head + bearer(other_key) + "\r\n" + chunked(bytes)), 404, "not_found", "(line 3001 of");
        EXPECT_EQ(upstream().request_count(), asked);
    }
    EXPECT_EQ(upload(client_key, form).status(), 200);
    EXPECT_EQ(upstream().last_request().body, form);
    expect_refused(upload(other_key, form), 404, "not_found", "(line 3001 of");
    const std::string whole = request("POST", "/v1/files", bearer(client_key) + form_type, batch_form(line_naming(id)));
    for (size_t cut = whole.find("--B0"); cut < whole.size(); cut += 7) {
        RawClient one = client();
        one.send_cut_at(whole, cut);
        EXPECT_EQ(one.read_response().status(), 200) << cut;
        EXPECT_EQ(upstream().last_request().body, batch_form(line_naming(id))) << cut;
    }
}

/// More than is asked of the register at once.
TEST_F(BatchFile, NamesAnyNumberOfThings) {
    start_storing();
    std::string lines;
    for (int i = 0; i < 600; ++i) lines += line_naming(make_response(client_key));
    EXPECT_EQ(upload(client_key, batch_form(lines)).status(), 200);
    EXPECT_EQ(upstream().last_request().body, batch_form(lines));
    EXPECT_EQ(upload(client_key, form_with_late_purpose(lines)).status(), 200);
    const std::string foreign = make_response(other_key);
    const size_t asked = upstream().request_count();
    expect_refused(upload(client_key, form_with_late_purpose(lines + line_naming(foreign))), 404, "not_found",
                   foreign + " (line 601 of");
    expect_refused(upload(other_key, form_with_late_purpose(lines)), 404, "not_found", "resp-1 (line 1 of");
    EXPECT_EQ(upstream().request_count(), asked);
}

TEST_F(BatchFile, OfAnotherPurposePasses) {
    start_storing();
    const std::string id = make_response(client_key);
    const std::string lines = line_naming(id) + std::string("\0\r\n--B\r\n\xff", 9) + std::string(200'000, 'x');
    for (const std::string& form :
         {form_with_late_purpose(lines, "user_data"), field("purpose", "assistants") + file(lines) + "--B0--\r\n",
          file(lines) + "--B0--\r\n"}) {
        EXPECT_EQ(upload(other_key, form).status(), 200);
        EXPECT_EQ(upstream().last_request().body, form);
    }
}

TEST_F(BatchFile, ThatCannotBeReadIsRefused) {
    start_storing();
    const size_t asked = upstream().request_count();
    expect_refused(upload(client_key, batch_form(line("{}") + "x\n")), 400, "invalid_request",
                   "a JSON object is expected (line 2 of the batch's file)");
    expect_refused(upload(client_key, field("purpose", "batch") + file(line("{}"))), 400, "invalid_request",
                   "before its last boundary");
    expect_refused(upload(client_key, batch_form(line("{}")) + "more"), 400, "invalid_request", "form");
    expect_refused(upload(client_key, "{}"), 400, "invalid_request", "form");
    expect_refused(ask(request("POST", "/v1/files", bearer(client_key) + form_type + "Content-Encoding: gzip\r\n",
                               batch_form(line("{}")))),
                   415, "unsupported_media_type", "Content-Encoding");
    expect_refused(ask(request("POST", "/v1/uploads", bearer(client_key) + "Content-Type: application/json\r\n",
                               R"({"purpose":"batch","filename":"f","bytes":1,"mime_type":"text/jsonl"})")),
                   400, "invalid_request", "POST /v1/files");
    EXPECT_EQ(upstream().request_count(), asked);
    // Its connection is good for the next one.
    RawClient one = client();
    const std::string bad = request("POST", "/v1/files", bearer(client_key) + form_type, batch_form("x"));
    EXPECT_EQ(one.ask(bad).status(), 400);
    EXPECT_EQ(one.ask(request("POST", "/v1/files", bearer(client_key) + form_type, batch_form(line("{}")))).status(),
              200);
}

/// As in a request of its own.
TEST_F(BatchFile, CannotNameResponsesWhereNobodyKnowsWhoseTheyAre) {
    conf.set("route.ai.passthrough", "files, batches");
    start_storing();
    expect_refused(upload(client_key, batch_form(line_naming("resp-1"))), 403, "forbidden", "(line 1 of");
    EXPECT_EQ(upload(client_key, batch_form(line(R"({"tools":[{"vector_store_ids":["vs-1"]}]})"))).status(), 200);
    EXPECT_EQ(upstream().request_count(), 1U);
}

TEST_F(BatchFile, IsNotReadWhereThereIsNobodyToTellApart) {
    conf.set("consumer.tester.api_key", "").set("consumer.other.api_key", "").set("route.ai.auth.type", "none");
    start_storing();
    const std::string form = batch_form(line_naming("resp-1") + "x");
    EXPECT_EQ(upload("x", form).status(), 200);
    EXPECT_EQ(upstream().last_request().body, form);
}

/// A server that answers what it has not read whole has made nothing of it.
TEST_F(BatchFile, IsNotTakenBeforeItsEnd) {
    Gate answered;
    start([&](UpstreamConnection& connection) {
        if (!connection.read_request_head()) return;
        connection.send(answer(R"({"id":"file-1"})"));
        answered.open();
        std::array<char, 4096> room;
        while (::recv(connection.fd(), room.data(), room.size(), 0) > 0) {
        }
    });
    RawClient one = client();
    const std::string whole = request("POST", "/v1/files", bearer(client_key) + form_type,
                                      batch_form(line(R"({"x":")" + std::string(100'000, 'x') + "\"}")));
    one.send(whole.substr(0, whole.size() - 20));
    answered.wait();
    expect_error(one.read_response(), 502);
}

/// What its ids take is known once a receive has been read: where that is too much it ends, and nobody waits.
TEST_F(BatchFile, TakesNoMoreMemoryThanThereIs) {
    conf.set("limit.bodies_in_memory", "1MiB").set("loop.shards", "1");
    Gate answers;
    start([&](UpstreamConnection& connection) {
        while (connection.read_request()) {
            answers.wait();
            if (!connection.send(answer(chat_answer))) return;
        }
    });
    RawClient uploader = client();
    uploader.send("POST /v1/files HTTP/1.1\r\nHost: loom\r\n" + form_type + bearer(client_key) +
                  "Transfer-Encoding: chunked\r\n\r\n");
    const std::string form = batch_form(R"({"x":")" + std::string(300'000, 'x'));
    uploader.send(chunk(std::string_view(form).substr(0, form.size() - 20)));
    wait_until("its line to be held", [&] { return loom().metric("loom_body_memory_bytes") >= 300'000; });
    RawClient holder = client();
    holder.send(chat_request(R"({"model":"gpt-4o","messages":[{"role":"user","content":")" +
                             std::string(1'500'000, 'x') + "\"}]}"));
    wait_until("a body beyond the budget", [&] { return upstream().request_count() == 1; });
    std::string named = "\"}\n";
    for (int i = 0; i < 8'000; ++i) named += "{\"file_id\":\"" + std::to_string(i) + "\"}\n";
    (void)uploader.try_send(chunk(named));
    expect_refused(uploader.read_response(), 503, "overloaded", "limit.bodies_in_memory");
    answers.open();
    EXPECT_EQ(holder.read_response().status(), 200);
    wait_until("all to have come home", [&] { return loom().metric("loom_body_memory_bytes") == 0; });
}

/// The register is still asked about lines when the form's end says that they are no batch's.
TEST_F(BatchFile, OfAnotherPurposeEndsOnce) {
    start_storing();
    std::string lines;
    for (int i = 0; i < 300; ++i) lines += R"({"file_id":"f)" + std::to_string(i) + "\"}\n";
    const std::string form = form_with_late_purpose(lines, "user_data");
    const size_t rest = form.find("--B0\r\n", 10);
    std::string body = chunk(std::string_view(form).substr(0, rest));
    for (size_t at = rest; at < form.size(); ++at) body += chunk(form.substr(at, 1));  // too many for one step
    const std::string whole = "POST /v1/files HTTP/1.1\r\nHost: loom\r\n" + form_type + bearer(client_key) +
                              "Transfer-Encoding: chunked\r\n\r\n" + body + std::string(last_chunk);
    RawClient one = client();
    for (size_t i = 1; i <= 30; ++i) {
        ASSERT_EQ(one.ask(whole).status(), 200) << i;
        ASSERT_EQ(upstream().request_count(), i);
        ASSERT_EQ(upstream().last_request().body, form) << i;
    }
    EXPECT_EQ(upstream().connection_count(), 1U) << "nothing stood behind a request";
}

/// However often the register answers meanwhile.
TEST_F(BatchFile, IsNotReadOnWithoutAnUpstream) {
    start_storing();
    std::array<std::string, 3> lines;  // more than are remembered, so each is asked about whenever it comes
    for (int i = 0; i < 900; ++i)
        lines[i / 300] += R"({"previous_response_id":")" + make_response(client_key) + "\"}\n";
    loom().stop_cleanly();
    const Listening full = listen_on_loopback();
    ::listen(full.fd.get(), 0);  // as in Timeout.OfConnectIs504
    const Fd filler = connect_loopback(full.port);
    conf.use_upstream(full.port).set("timeout.connect", "2s");
    LoomProcess second(conf.text());
    RawClient one(second.port());
    one.send("POST /v1/files HTTP/1.1\r\nHost: loom\r\n" + form_type + bearer(client_key) +
             "Transfer-Encoding: chunked\r\n\r\n");
    const std::string form = batch_form("");
    one.send(chunk(std::string_view(form).substr(0, form.find("\r\n--B0--"))));
    int read_count = 0;
    for (; read_count < 30; ++read_count) {
        if (!one.try_send(chunk(lines[read_count % 3])) || !one.wait_until_loom_has_read()) break;
        char byte = 0;
        if (::recv(one.fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0) break;  // the rest is discarded
    }
    EXPECT_LT(read_count, 15) << "of 10 kB each: the first are kept until somebody takes them";
    expect_error(one.read_response(), 504);
    one.close();
    second.stop_cleanly();
}

/// Message batches come as one document, which is read as one.
TEST_F(BatchFile, AMessageBatchCannotNameAnothersFilesEither) {
    conf.set("provider.mock.type", "anthropic");
    start_storing();
    const std::string lines = "anthropic-version: 2023-06-01\r\nContent-Type: application/json\r\n";
    ASSERT_EQ(json_text(upload(client_key, file("x") + "--B0--\r\n").body, "id"), "file-1");
    const std::string batch =
        R"({"requests":[{"custom_id":"a","params":{"model":"claude","max_tokens":9,"messages":[{"role":"user",)"
        R"("content":[{"type":"document","source":{"type":"file","file_id":"file-1"}}]}]}}]})";
    const Message refused = ask(request("POST", "/v1/messages/batches", bearer(other_key) + lines, batch));
    EXPECT_EQ(refused.status(), 404);
    EXPECT_TRUE(contains(refused.body, R"("type":"not_found_error")")) << refused.body;
    EXPECT_TRUE(contains(refused.body, "file-1")) << refused.body;
    EXPECT_EQ(ask(request("POST", "/v1/messages/batches", bearer(client_key) + lines, batch)).status(), 200);
    EXPECT_EQ(upstream().request_count(), 2U);
}

}  // namespace
}  // namespace loom::wire
