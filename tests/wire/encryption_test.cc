// state.encryption_key: what lies in state.directory says nothing to who has no key, while Loom runs, when it was
// killed and when it has ended; and everything to who has it.
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "fixture.h"
#include "ledger_pages.h"
#include "state_directory.h"

namespace loom::wire {
namespace {

namespace fs = std::filesystem;

const std::string key_one(64, '1');
const std::string key_two = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

class Encryption : public WireTest {
  protected:
    Encryption() {
        conf.set("token_accounting.enabled", "on").set("state.directory", state.path());
        conf.set("auth.issued_keys", "on").set("route.ai.passthrough", "files");
        conf.set("consumer.hidden-app.team", "hidden-team").set("consumer.hidden-app.tenant", "hidden-tenant");
        conf.set("provider.mock.models", "");
    }
    void begin() { start(answer_always(answer(chat_answer))); }
    /// Everything that Loom keeps, with names that can be found again.
    void fill(int requests) {
        const Message made = ask_once(loom().admin_port(), request("POST", "/ai/keys?consumer=hidden-app"), false);
        ASSERT_EQ(made.status(), 201) << made.raw();
        key_ = json_text(made.body, "key");
        id_ = json_text(made.body, "id");
        const std::string lines = "Authorization: Bearer " + key_ + "\r\nContent-Type: application/json\r\n";
        for (int i = 0; i < requests; ++i)
            ASSERT_EQ(ask(request("POST", "/v1/chat/completions", lines,
                                  R"({"model":"hidden-model","messages":[{"role":"user","content":"Hi"}]})"))
                          .status(),
                      200);
    }
    long attempts() {
        const std::string page = ask_once(loom().admin_port(), request("GET", "/ai/usage/hidden-app")).body;
        const size_t at = page.find(R"("attempts":)");
        return at == page.npos ? -1 : std::strtol(page.c_str() + at + 11, nullptr, 10);
    }
    /// Which file tells something; "": none.
    std::string told() const {
        for (const auto& entry : fs::recursive_directory_iterator(state.path())) {
            if (!entry.is_regular_file()) continue;
            const std::string bytes = read_file(entry.path());
            for (const std::string& word :
                 {std::string("hidden"), std::string("SQLite format"), id_, std::string("mock")})
                if (!word.empty() && contains(bytes, word)) return entry.path().string() + ": " + word;
        }
        return "";
    }
    /// A file of the configuration that outlives its Loom.
    std::string conf_file(const std::string& key) {
        Conf with = conf;
        if (key.empty())
            with.set("state.encryption_key", "");
        else
            with.set("state.encryption_key", key);
        std::string text = with.text();
        for (const auto& [mark, value] :
             {std::pair<std::string, std::string>{"@MAIN@", "1"}, {"@ADMIN@", "2"}, {"@DIR@", files.path()}})
            for (size_t at; (at = text.find(mark)) != text.npos;) text.replace(at, mark.size(), value);
        const std::string path = files.path() + "/" + std::to_string(++files_made_) + ".conf";
        std::ofstream(path) << text;
        return path;
    }

    StateDirectory state;
    StateDirectory files;
    std::string key_;
    std::string id_;

  private:
    int files_made_ = 0;
};

TEST_F(Encryption, NothingIsToldByAnyFile) {
    conf.set("state.encryption_key", key_one);
    begin();
    fill(20);
    wait_until("all to be booked", [&] { return attempts() == 20; });
    EXPECT_EQ(told(), "") << "while it runs";
    loom().signal(SIGKILL);
    (void)loom().wait_for_exit();
    EXPECT_EQ(told(), "") << "when it was killed";
    for (const char* const name : {"usage.db", "keys.db", "resources.db", "ledger", "encryption"})
        EXPECT_TRUE(fs::exists(state.path() + "/" + name)) << name;
    {
        LoomProcess again(conf.text());
        const std::string page = ask_once(again.admin_port(), request("GET", "/ai/usage/hidden-app")).body;
        EXPECT_TRUE(contains(page, R"("attempts":20)")) << page;
        EXPECT_EQ(
            ask_once(again.port(), request("GET", "/v1/models", "Authorization: Bearer " + key_ + "\r\n")).status(),
            200)
            << "its key is known";
        again.stop_cleanly();
    }
    EXPECT_EQ(told(), "") << "when it has ended";
    const auto [status, text] = run_loom("ledger verify " + conf_file(key_one));
    EXPECT_EQ(status, 0) << text;
    const auto [exported, rows] = run_loom("ledger export " + conf_file(key_one));
    EXPECT_EQ(exported, 0);
    EXPECT_TRUE(contains(rows, "hidden-app,hidden-team")) << rows;
}

TEST_F(Encryption, WithoutItAllIsTold) {
    begin();
    fill(3);
    wait_until("all to be booked", [&] { return attempts() == 3; });
    EXPECT_NE(told(), "") << "or the others see nothing";
}

TEST_F(Encryption, WhoHasNoKeyOrAnotherIsRefused) {
    conf.set("state.encryption_key", key_one);
    begin();
    fill(3);
    loom().stop_cleanly();
    for (const std::string& key : {std::string(), key_two}) {
        conf.set("state.encryption_key", key);
        const Exit refused = LoomProcess::run_to_end(conf.text());
        EXPECT_EQ(refused.code, 78);
        EXPECT_TRUE(contains(refused.log, state.path() + "/encryption")) << refused.log;
        EXPECT_TRUE(contains(refused.log, key.empty() ? "set state.encryption_key" : "loom state rekey"))
            << refused.log;
        EXPECT_FALSE(contains(refused.log, key_two)) << "a secret";
        const auto [checked, said] = run_loom("--check " + conf_file(key));
        EXPECT_EQ(checked, 78) << said;
        EXPECT_TRUE(contains(said, state.path() + "/encryption")) << said;
        EXPECT_EQ(run_loom("ledger verify " + conf_file(key)).first, 78);
    }
    const auto [status, text] = run_loom("ledger verify " + state.path());
    EXPECT_EQ(status, 78);
    EXPECT_TRUE(contains(text, "name the file of the configuration in place of the directory")) << text;
    EXPECT_EQ(run_loom("--check " + conf_file(key_one)).first, 0);
    conf.set("state.encryption_key", "no-key-at-all");
    const Exit refused = LoomProcess::run_to_end(conf.text());
    EXPECT_EQ(refused.code, 78);
    EXPECT_TRUE(contains(refused.log, "openssl rand -hex 32")) << refused.log;
    EXPECT_FALSE(contains(refused.log, "no-key-at-all")) << refused.log;
}

TEST_F(Encryption, GoesOverAndToAnotherKeyAndBack) {
    begin();
    fill(5);
    wait_until("all to be booked", [&] { return attempts() == 5; });
    const auto [busy, said] = run_loom("state encrypt " + conf_file(key_one));
    EXPECT_EQ(busy, 78);
    EXPECT_TRUE(contains(said, "a Loom uses")) << said;
    loom().stop_cleanly();
    const int held = ::open(state.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ASSERT_EQ(::flock(held, LOCK_EX | LOCK_NB), 0);  // as `loom state` does
    for (const std::string what : {"verify ", "export "})
        for (const std::string& where : {state.path(), conf_file("")}) {
            const auto [status, text] = run_loom("ledger " + what + where);
            EXPECT_EQ(status, 78);
            EXPECT_TRUE(contains(text, "is at work")) << text;
        }
    ::close(held);
    conf.set("state.encryption_key", key_one);
    const Exit refused = LoomProcess::run_to_end(conf.text());
    EXPECT_EQ(refused.code, 78) << "a key on plain files";
    EXPECT_TRUE(contains(refused.log, "loom state encrypt")) << refused.log;
    const auto expect_all = [&](const std::string& key) {
        conf.set("state.encryption_key", key);
        LoomProcess again(conf.text());
        const std::string page = ask_once(again.admin_port(), request("GET", "/ai/usage/hidden-app")).body;
        EXPECT_TRUE(contains(page, R"("attempts":5)")) << page;
        again.stop_cleanly();
        const auto [status, text] = run_loom("ledger verify " + conf_file(key));
        EXPECT_EQ(status, 0) << text;
        EXPECT_EQ(told().empty(), !key.empty()) << told();
    };
    const auto [encrypted, first] = run_loom("state encrypt " + conf_file(key_one));
    EXPECT_EQ(encrypted, 0) << first;
    EXPECT_TRUE(contains(first, state.path() + ": encrypted: 3 databases")) << first;
    expect_all(key_one);
    const auto [unsaid, hint] = run_loom("state rekey " + conf_file(key_two));
    EXPECT_EQ(unsaid, 78);
    EXPECT_TRUE(contains(hint, "LOOM_OLD_ENCRYPTION_KEY")) << hint;
    const auto [changed, second] = run_loom("state rekey " + conf_file(key_two), "LOOM_OLD_ENCRYPTION_KEY=" + key_one);
    EXPECT_EQ(changed, 0) << second;
    expect_all(key_two);
    const auto [decrypted, third] = run_loom("state decrypt " + conf_file(key_two));
    EXPECT_EQ(decrypted, 0) << third;
    expect_all("");
    EXPECT_EQ(run_loom("state").first, 64);
    EXPECT_EQ(run_loom("state shred x").first, 64);
}

}  // namespace
}  // namespace loom::wire
