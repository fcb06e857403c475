// The admin listener's description of itself: what it says is there is there, by these methods and no others.
#include <array>
#include <map>
#include <set>

#include "fixture.h"
#include "loom/base/json.h"
#include "state_directory.h"

namespace loom::wire {
namespace {

class OpenApi : public WireTest {
  protected:
    OpenApi() {
        conf.set("auth.issued_keys", "on").set("state.directory", state.path());
        conf.set("token_accounting.enabled", "on");
    }
    Message admin(std::string_view method, std::string_view target, std::string_view body = "") {
        return ask_once(loom().admin_port(), request(method, target, "", body), method == "HEAD");
    }

    StateDirectory state;
};

std::string upper(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return out;
}

/// With names that are there in place of parameters.
std::string filled(std::string path, const std::string& key_id) {
    const std::map<std::string, std::string> values = {
        {"{consumer}", "tester"}, {"{provider}", "mock"}, {"{id}", key_id}, {"{name}", "made"}};
    for (const auto& [name, value] : values)
        if (const size_t at = path.find(name); at != path.npos) path.replace(at, name.size(), value);
    return path;
}

TEST_F(OpenApi, SaysWhatIsThere) {
    start(answer_always(answer(chat_answer)));
    const Message told = admin("GET", "/ai/openapi.json");
    ASSERT_EQ(told.status(), 200);
    EXPECT_EQ(told.head.value("Content-Type"), "application/json");
    simdjson::dom::parser parser;
    simdjson::dom::object document;
    ASSERT_EQ(parser.parse(simdjson::padded_string(told.body)).get(document), simdjson::SUCCESS);
    EXPECT_EQ(document["openapi"].get_string().value(), "3.1.0");
    size_t operations = 0;
    for (const auto& [path, item] : document["paths"].get_object()) {
        std::set<std::string> methods;
        for (const auto& [method, operation] : item.get_object()) methods.insert(upper(method));
        const std::string made = admin("POST", "/ai/keys?consumer=tester").body;
        if (path != "/ai/consumers") (void)admin("POST", "/ai/consumers", R"({"name":"made"})");
        const std::string target = filled(std::string(path), json_text(made, "id"));
        for (const char* const method : {"GET", "POST", "PUT", "DELETE", "PATCH"}) {
            const std::string query = target == "/ai/keys" && method == std::string("POST") ? "?consumer=tester"
                                      : target.ends_with("/weight")                         ? "?value=1"
                                      : target.ends_with("/purge")                          ? "?all=true"
                                                                                            : "";
            const std::string body = !target.starts_with("/ai/consumers") ? ""
                                     : method == std::string("POST")      ? R"({"name":"other"})"
                                     : method == std::string("PATCH")     ? R"({"tier":"gold"})"
                                                                          : "";
            if (method == std::string("PATCH") && target == "/ai/consumers/made")
                (void)admin("POST", "/ai/consumers", R"({"name":"made"})");  // it has just been removed
            const Message answered = admin(method, target + query, body);
            if (!methods.contains(method)) {
                EXPECT_EQ(answered.status(), 405) << method << " " << target;
                continue;
            }
            operations += 1;
            const std::string status = std::to_string(answered.status());
            EXPECT_EQ(status[0], '2') << method << " " << target << answered.body;
            EXPECT_EQ(item[method == std::string("DELETE")  ? "delete"
                           : method == std::string("PUT")   ? "put"
                           : method == std::string("POST")  ? "post"
                           : method == std::string("PATCH") ? "patch"
                                                            : "get"]["responses"][status]
                          .error(),
                      simdjson::SUCCESS)
                << "it does not say that " << status << " may come of " << method << " " << target;
        }
    }
    EXPECT_EQ(operations, 28u);
}

}  // namespace
}  // namespace loom::wire
