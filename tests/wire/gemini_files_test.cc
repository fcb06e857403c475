// What Gemini stores under one key for many clients: files, by their resumable uploads, and cached contents.
#include <filesystem>

#include "fixture.h"

namespace loom::wire {
namespace {

constexpr std::string_view other_key = "sk-other-0123456789abcdef";
constexpr std::string_view json_type = "Content-Type: application/json\r\n";

std::string goog(std::string_view key) { return "x-goog-api-key: " + std::string(key) + "\r\n"; }

/// Gemini's API as far as it stores: newest first, in pages, and nothing of it knows a tenant.
class GeminiStore {
  public:
    std::string answer_to(const Message& asked) {
        const std::lock_guard lock(mutex_);
        const std::string target = asked.target();
        const std::string path = target.substr(0, target.find('?'));
        if (path == "/upload/v1beta/files" || path == "/upload/v1/files") return upload(asked, target);
        if (asked.method() == "POST" && path == "/v1beta/cachedContents") return make("cachedContents");
        if (path == "/v1beta/files" || path == "/v1beta/cachedContents") return list(path.substr(8), target);
        if (asked.method() == "DELETE") return answer("{}");
        return answer(R"({"name":")" + path.substr(8) + R"(","candidates":[]})");
    }

  private:
    std::string make(const std::string& kind) {
        const std::string name = kind + "/" + std::to_string(++count_);
        made_[kind].insert(made_[kind].begin(), name);
        const std::string object =
            R"({"name":")" + name + R"(","uri":"https://generativelanguage.googleapis.com/v1beta/)" + name + "\"}";
        return kind == "files" ? R"({"file": )" + object + "}" : answer(object);
    }
    std::string upload(const Message& asked, const std::string& target) {
        if (!contains(target, "upload_id="))
            return answer("", "200 OK",
                          "X-Goog-Upload-Status: active\r\nX-Goog-Upload-Chunk-Granularity: 262144\r\n"
                          "X-Goog-Upload-Control-URL: https://generativelanguage.googleapis.com/control\r\n"
                          "X-Goog-Upload-URL: https://generativelanguage.googleapis.com/upload/v1beta/files?upload_id="
                          "up-" +
                              std::to_string(++count_) + "&upload_protocol=resumable\r\n");
        const bool last = contains(asked.head.value("X-Goog-Upload-Command"), "finalize");
        return answer(last ? make("files") : "", "200 OK",
                      last ? "X-Goog-Upload-Status: final\r\n" : "X-Goog-Upload-Status: active\r\n");
    }
    std::string list(const std::string& kind, const std::string& target) {
        const auto number = [&](const std::string& name, size_t none) {
            const size_t at = target.find(name + "=");
            return at == target.npos ? none : std::stoul(target.substr(at + name.size() + 1));
        };
        const auto& all = made_[kind];
        const size_t from = number("pageToken", 0), size = number("pageSize", 10);
        std::string page;
        for (size_t i = from; i < std::min(from + size, all.size()); ++i)
            page += (i > from ? "," : "") + (R"({"name":")" + all[i] + "\"}");
        const std::string next =
            from + size < all.size() ? R"("nextPageToken":")" + std::to_string(from + size) + "\"" : "";
        if (page.empty()) return answer("{}");
        return answer("{\"" + kind + "\":[" + page + "]" + (next.empty() ? "" : "," + next) + "}");
    }

    std::mutex mutex_;
    int count_ = 0;
    std::map<std::string, std::vector<std::string>> made_;
};

class GeminiFiles : public WireTest {
  protected:
    void SetUp() override {
        char name[] = "/tmp/loom-state-XXXXXX";
        directory_ = ::mkdtemp(name);
        conf.set("consumer.other.api_key", std::string(other_key)).set("state.directory", directory_);
        conf.set("provider.mock.type", "gemini").set("route.ai.path", "/*");
        conf.set("route.ai.passthrough", "files, cached_contents");
    }
    void TearDown() override {
        WireTest::TearDown();
        std::filesystem::remove_all(directory_);
    }
    void start_storing() {
        start(answer_with([this](const Message& asked) { return store_.answer_to(asked); }));
    }
    Message call(std::string_view key, std::string_view method, std::string_view target, std::string_view body = "") {
        return ask(request(method, target, goog(key) + (body.empty() ? "" : std::string(json_type)), body));
    }
    /// The address at which the upload goes on: its path and query.
    std::string begin_upload(std::string_view key) {
        const Message begun = ask(request("POST", "/upload/v1beta/files?upload%5Fid=up-x",
                                          goog(key) + std::string(json_type) +
                                              "X-Goog-Upload-Protocol: resumable\r\nX-Goog-Upload-Command: start\r\n"
                                              "X-Goog-Upload-Header-Content-Length: 5\r\n",
                                          R"({"file":{"display_name":"f"}})"));
        EXPECT_EQ(begun.status(), 200);
        EXPECT_EQ(begun.head.value("X-Goog-Upload-Status"), "active");
        EXPECT_FALSE(contains(begun.raw(), "googleapis.com")) << begun.raw();
        const std::string url(begun.head.value("X-Goog-Upload-URL"));
        const size_t path = url.find("/upload/");
        EXPECT_TRUE(url.starts_with("http://")) << url;
        return path == url.npos ? "" : url.substr(path);
    }
    Message go_on(const std::string& target, std::string_view command, std::string_view bytes,
                  const std::string& lines = "") {
        return ask(request("POST", target,
                           lines + "X-Goog-Upload-Command: " + std::string(command) + "\r\nX-Goog-Upload-Offset: 0\r\n",
                           bytes));
    }
    std::string upload(std::string_view key) {
        const Message whole = go_on(begin_upload(key), "upload, finalize", "bytes");
        EXPECT_EQ(whole.head.value("X-Goog-Upload-Status"), "final");
        return json_text(whole.body, "name");
    }
    void expect_not_there(std::string_view key, std::string_view method, const std::string& target,
                          const std::string& body = "") {
        const size_t asked = upstream().request_count();
        const Message refused = call(key, method, target, body);
        EXPECT_EQ(refused.status(), 404) << target << body;
        EXPECT_TRUE(contains(refused.body, R"("status":"NOT_FOUND")")) << refused.body;
        EXPECT_EQ(upstream().request_count(), asked) << target;
    }

    std::string directory_;
    GeminiStore store_;
};

TEST_F(GeminiFiles, AFileIsItsUploadersAlone) {
    start_storing();
    const std::string name = upload(client_key);
    ASSERT_EQ(name, "files/2");
    for (const char* target : {"/v1beta/files/2", "/v1beta/files/2:download?alt=media"}) {
        EXPECT_EQ(call(client_key, "GET", target).status(), 200) << target;
        EXPECT_EQ(upstream().last_request().target(), target);
        expect_not_there(other_key, "GET", target);
    }
    EXPECT_EQ(upstream().last_request().head.value("x-goog-api-key"), provider_key);
    expect_not_there(other_key, "DELETE", "/v1beta/files/2");
    EXPECT_EQ(call(client_key, "DELETE", "/v1beta/files/2").status(), 200);
    expect_not_there(client_key, "GET", "/v1beta/files/2");
}

/// The SDKs of Python send no key with the bytes: the address is enough, as at Google, and good for this upload alone.
TEST_F(GeminiFiles, AnUploadGoesOnByItsAddress) {
    start_storing();
    const std::string target = begin_upload(client_key);
    EXPECT_EQ(upstream().last_request().target(), "/upload/v1beta/files");
    EXPECT_EQ(upstream().last_request().head.value("X-Goog-Upload-Header-Content-Length"), "5");
    const Message more = go_on(target, "upload", "by");
    EXPECT_EQ(more.status(), 200);
    EXPECT_EQ(more.head.value("X-Goog-Upload-Status"), "active");
    EXPECT_EQ(upstream().last_request().target(), "/upload/v1beta/files?upload_protocol=resumable&upload_id=up-1");
    EXPECT_EQ(upstream().last_request().head.value("X-Goog-Upload-Command"), "upload");
    const size_t asked = upstream().request_count();
    const std::string bare = target.substr(0, target.find("&loom_consumer"));
    EXPECT_EQ(go_on(bare, "upload", "x").status(), 401);
    EXPECT_EQ(go_on(bare, "upload", "x", goog(other_key)).status(), 404);
    std::string forged = target;
    forged.back() = forged.back() == '0' ? '1' : '0';
    EXPECT_EQ(go_on(forged, "upload", "x").status(), 401);
    std::string others = target;
    others.replace(others.find("loom_consumer=tester"), 20, "loom_consumer=other");
    EXPECT_EQ(go_on(others, "upload", "x").status(), 401);
    std::string another = target;
    another.replace(another.find("up-1"), 4, "up-2");
    EXPECT_EQ(go_on(another, "upload", "x").status(), 401);
    EXPECT_EQ(call("", "GET", "/v1beta/files" + target.substr(target.find('?'))).status(), 401) << "for nothing else";
    EXPECT_EQ(upstream().request_count(), asked);
    const Message whole = go_on(bare, "upload, finalize", std::string(300'000, 'x'), goog(client_key));
    EXPECT_EQ(json_text(whole.body, "name"), "files/2");
    EXPECT_EQ(upstream().last_request().body, std::string(300'000, 'x'));
    EXPECT_EQ(go_on(target, "upload", "x").status(), 404) << "it has ended";
    EXPECT_EQ(call(client_key, "GET", "/v1beta/files/2").status(), 200);
}

TEST_F(GeminiFiles, AClientNamesNoFileItself) {
    start_storing();
    const std::string lines = goog(client_key) + std::string(json_type) + "X-Goog-Upload-Command: start\r\n";
    for (const char* body : {R"({"file":{"name":"files/mine"}})", R"({"FILE":{"n\u0061me":"files/mine"}})", "bytes"}) {
        const Message refused = ask(request("POST", "/upload/v1beta/files", lines, body));
        EXPECT_EQ(refused.status(), 400) << body;
        EXPECT_TRUE(contains(refused.body, R"("status":"INVALID_ARGUMENT")")) << refused.body;
    }
    EXPECT_EQ(upstream().request_count(), 0U);
}

TEST_F(GeminiFiles, ARequestCannotNameAnothers) {
    start_storing();
    ASSERT_EQ(upload(client_key), "files/2");
    ASSERT_EQ(
        json_text(call(client_key, "POST", "/v1beta/cachedContents", R"({"model":"models/gpt-4o"})").body, "name"),
        "cachedContents/3");
    const auto part = [](std::string_view key, std::string_view uri) {
        return R"({"contents":[{"parts":[{"fileData":{")" + std::string(key) + R"(":")" + std::string(uri) + "\"}}]}]}";
    };
    const std::string generate = "/v1beta/models/gpt-4o:generateContent";
    for (const std::string& body :
         {part("fileUri", "https://generativelanguage.googleapis.com/v1beta/files/2"),
          part("file_uri", "HTTPS://GenerativeLanguage.googleapis.com/v1beta/files/2?x=1"),
          part("f\\u0069leUri", "https://generativelanguage.googleapis.com/v1beta/f\\u0069les/2"),
          part("fileUri", "files/2"), std::string(R"({"contents":[],"cachedContent":"cachedContents/3"})"),
          std::string(R"({"contents":[],"cached_content":"cachedContents/3"})")}) {
        expect_not_there(other_key, "POST", generate, body);
        expect_not_there(other_key, "POST", "/v1beta/models/gpt-4o:countTokens", body);
        EXPECT_EQ(call(client_key, "POST", generate, body).status(), 200) << body;
        EXPECT_EQ(upstream().last_request().body, body) << "and it goes on as it came";
    }
    expect_not_there(client_key, "POST", generate,
                     part("fileUri", "https://generativelanguage.googleapis.com/v1beta/files/2/../3"));
    for (const char* elsewhere :
         {"https://www.youtube.com/watch?v=files/2", "gs://bucket/files/2", "https://example.com/a/files/2.png"}) {
        EXPECT_EQ(call(other_key, "POST", generate, part("fileUri", elsewhere)).status(), 200) << elsewhere;
    }
    // A client of another protocol, whose address would be translated into one of a file.
    const size_t asked = upstream().request_count();
    for (const std::string uri : {"https://generativelanguage.googleapis.com/v1beta/files/2", "files/2",
                                  "generativelanguage.googleapis.com/v1beta/files/2"}) {
        const std::string chat =
            R"({"model":"gpt-4o","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":")" +
            uri + "\"}}]}]}";
        EXPECT_EQ(ask(request("POST", "/v1/chat/completions", goog(other_key) + std::string(json_type), chat)).status(),
                  404);
    }
    EXPECT_EQ(upstream().request_count(), asked);
}

TEST_F(GeminiFiles, CachedContentsAreTheirMakersAlone) {
    conf.set("model_mapping.short.mock", "gemini-2.5-flash");
    start_storing();
    ASSERT_EQ(upload(client_key), "files/2");
    const std::string body =
        R"({"model":"models/short","contents":[{"parts":[{"fileData":{"fileUri":"files/2"}}]}],"ttl":"60s"})";
    expect_not_there(other_key, "POST", "/v1beta/cachedContents", body);
    ASSERT_EQ(json_text(call(client_key, "POST", "/v1beta/cachedContents", body).body, "name"), "cachedContents/3");
    EXPECT_TRUE(contains(upstream().last_request().body, R"("model":"models/gemini-2.5-flash")"));
    for (const char* method : {"GET", "PATCH", "DELETE"}) {
        const std::string ttl = std::string(method) == "PATCH" ? R"({"ttl":"90s"})" : "";
        expect_not_there(other_key, method, "/v1beta/cachedContents/3", ttl);
        EXPECT_EQ(call(client_key, method, "/v1beta/cachedContents/3", ttl).status(), 200) << method;
    }
    expect_not_there(client_key, "GET", "/v1beta/cachedContents/3");
}

/// Python's SDK asks for version 1, where OpenAI's and Anthropic's files are too: who brings Google's key is Google's.
TEST_F(GeminiFiles, TheFirstVersionIsTheSame) {
    start_storing();
    ASSERT_EQ(upload(client_key), "files/2");
    EXPECT_EQ(call(client_key, "GET", "/v1/files/2").status(), 200);
    EXPECT_EQ(upstream().last_request().target(), "/v1/files/2");
    expect_not_there(other_key, "GET", "/v1/files/2");
    expect_not_there(other_key, "GET", "/v1/cachedContents/2");
    const Message begun =
        ask(request("POST", "/upload/v1/files",
                    goog(client_key) + std::string(json_type) + "X-Goog-Upload-Command: start\r\n", "{}"));
    EXPECT_TRUE(contains(begun.head.value("X-Goog-Upload-URL"), "/upload/v1/files?upload_id=")) << begun.raw();
}

/// SDKs take a page without elements for the last one, and one with a token for one that others follow.
TEST_F(GeminiFiles, AListIsReadToItsEnd) {
    start_storing();
    EXPECT_EQ(call(other_key, "GET", "/v1beta/files").body, "{}");
    EXPECT_EQ(upstream().request_count(), 0U) << "who has nothing is told so at once";
    std::vector<std::string> own;
    for (int i = 0; i < 25; ++i) {
        const bool mine = i % 12 == 0;
        const std::string name = upload(mine ? other_key : client_key);
        if (mine) own.insert(own.begin(), name);
    }
    for (const std::string size : {"", "pageSize=1", "pageSize=3"}) {
        std::vector<std::string> read;
        std::string token;
        for (int page = 0; page < 30; ++page) {
            const Message answer =
                call(other_key, "GET", "/v1beta/files?" + size + (token.empty() ? "" : "&pageToken=" + token));
            ASSERT_EQ(answer.status(), 200) << answer.body;
            EXPECT_TRUE(contains(answer.body, R"("name":")"))
                << "SDKs take no page without elements well: " << answer.body;
            for (size_t at = 0; (at = answer.body.find(R"("name":")", at)) != std::string::npos; at += 8)
                read.push_back(answer.body.substr(at + 8, answer.body.find('"', at + 8) - at - 8));
            token = json_text(answer.body, "nextPageToken");
            if (token.empty()) break;
        }
        EXPECT_EQ(read, own) << size;
    }
}

/// A form of a list that cannot be read is not passed, and not asked for.
TEST_F(GeminiFiles, AListIsFilteredInWhateverForm) {
    const std::string events = "data: {\"files\":[{\"name\":\"files/secret\"}]}\n\n";
    start(answer_with([&](const Message& asked) {
        return asked.method() == "GET" ? sse_answer(events, false) : store_.answer_to(asked);
    }));
    ASSERT_EQ(upload(other_key), "files/2");
    for (const char* query : {"", "alt=sse", "%61lt=sse&", "$alt=sse", "%24alt=sse"}) {
        const Message refused = call(other_key, "GET", std::string("/v1beta/files?pageSize=5&") + query);
        EXPECT_EQ(refused.status(), 502) << query;
        EXPECT_FALSE(contains(refused.raw(), "secret")) << refused.raw();
        EXPECT_EQ(upstream().last_request().target(), "/v1beta/files?pageSize=5");
    }
}

/// Else its bytes were a form, with a name of the file in it, which nobody has read.
TEST_F(GeminiFiles, WhatGoesOnIsBytesAlone) {
    start_storing();
    const std::string target = begin_upload(client_key);
    const size_t asked = upstream().request_count();
    for (const char* command : {"start", "upload, start", "start,finalize", "upload;finalize"})
        EXPECT_EQ(go_on(target, command, "x").status(), 400) << command;
    EXPECT_EQ(upstream().request_count(), asked);
    const Message whole = go_on(target, "upload,  Finalize", "x",
                                "X-Goog-Upload-Protocol: multipart\r\nX-Goog-Upload-Header-Content-Type: a/b\r\n");
    EXPECT_EQ(whole.status(), 200);
    const Message seen = upstream().last_request();
    EXPECT_EQ(seen.head.value("X-Goog-Upload-Command"), "upload,  Finalize");
    EXPECT_EQ(seen.head.value("X-Goog-Upload-Offset"), "0");
    EXPECT_EQ(seen.head.count("X-Goog-Upload-Protocol") + seen.head.count("X-Goog-Upload-Header-Content-Type"), 0U);
    ASSERT_EQ(upload(client_key).substr(0, 6), "files/");
    EXPECT_EQ(ask(request("GET", "/v1beta/files", goog(client_key) + "X-Goog-Upload-Command: start\r\n", "")).status(),
              200);
    EXPECT_EQ(upstream().last_request().head.count("X-Goog-Upload-Command"), 0U) << "a list is no upload";
}

TEST_F(GeminiFiles, WithoutTheFamilyNothingIsRelayed) {
    conf.set("route.ai.passthrough", "batches");
    start_storing();
    for (const char* target : {"/v1beta/files", "/v1beta/cachedContents", "/v1beta/files/2"})
        EXPECT_EQ(call(client_key, "GET", target).status(), 403) << target;
    EXPECT_EQ(go_on("/upload/v1beta/files", "start", "{}", goog(client_key)).status(), 403);
    EXPECT_EQ(upstream().request_count(), 0U);
}

}  // namespace
}  // namespace loom::wire
