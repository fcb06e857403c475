// A Redis over TLS (rediss://), a real one: who it is, is looked at, and who comes where it wants to know that.
#include "sharing.h"
#include "tls_listener_fixture.h"

namespace loom::wire {
namespace {

const HostSpec loom_itself = {.names = "DNS:loom", .common_name = "loom", .usage = "clientAuth"};

class TlsRedis : public testing::Test {
  protected:
    TlsRedis() : upstream_(answer_always(answer(chat_answer))) {
        write("ca.pem", authority_.pem());
        issue("server", {.names = "DNS:localhost,IP:127.0.0.1", .common_name = "localhost"});
        issue("loom", loom_itself);
    }
    void TearDown() override {
        for (auto& one : looms_) {
            if (one->loom == nullptr) continue;
            EXPECT_EQ(LoomProcess::complaint_in(one->loom->log()), "");
            one->loom->stop_cleanly();
        }
    }
    std::string file(const std::string& name) const { return directory_.path() + "/" + name; }
    void write(const std::string& name, const std::string& text) const { std::ofstream(file(name)) << text; }
    void issue(const std::string& name, const HostSpec& spec) {
        const net::TlsKeyPair pair = authority_.issue(spec);
        write(name + ".key", pair.key_pem);
        write(name + ".crt", pair.certificate_pem);
    }
    /// asks  who connects has to show a certificate of the authority.
    void serve(bool asks = false) {
        port_ = free_port();
        server_ = std::make_unique<RedisServer>(std::vector<std::string>{
            "--tls-port", std::to_string(port_), "--tls-cert-file", file("server.crt"), "--tls-key-file",
            file("server.key"), "--tls-ca-cert-file", file("ca.pem"), "--tls-auth-clients", asks ? "yes" : "no"});
    }
    SharingLoom& add(const std::string& address) {
        SharingLoom& one = *looms_.emplace_back(std::make_unique<SharingLoom>(upstream_.port(), address));
        one.conf.set("token_accounting.store.redis.interval", "100ms");
        one.conf.set("rate_limit.consumer.tester.request_rate", "20").set("rate_limit.on_store_lost", "fail_closed");
        return one;
    }
    std::string address(const std::string& host = "localhost") const {
        return "rediss://" + host + ":" + std::to_string(port_);
    }
    SharingLoom& add_trusting() {
        SharingLoom& one = add(address());
        one.conf.set("token_accounting.store.redis.tls.ca_file", file("ca.pem"));
        return one;
    }
    static int send(const SharingLoom& one) { return ask_once(one.loom->port(), chat_request(chat_body)).status(); }
    static void expect_refused(SharingLoom& one, std::string_view part) {
        one.start();
        wait_until("the refusal to be told", [&] { return contains(one.loom->log(), part); });
        EXPECT_EQ(one.loom->metric("loom_shared_store_up"), 0) << one.loom->log();
        EXPECT_EQ(one.loom->metric("loom_shared_store_round_trips_total"), 0);
    }

    Authority authority_{"Loom's test CA"};
    StateDirectory directory_;
    ScriptedUpstream upstream_;
    std::unique_ptr<RedisServer> server_;
    uint16_t port_ = 0;
    std::vector<std::unique_ptr<SharingLoom>> looms_;
};

TEST_F(TlsRedis, TwoLoomsShareWhatIsUsedAndWhatMayBe) {
    serve();
    (void)server_->run({"EVAL",
                        "return redis.call('SET', KEYS[1], '1 ' .. string.match(redis.call('INFO', 'server'), "
                        "'run_id:(%w+)'))",
                        "1", "loom:tokens:{loom}leases:since"});
    SharingLoom &one = add_trusting(), &two = add_trusting();
    one.start();
    two.start();
    int admitted = 0;
    wait_until("all of the limit to be drawn", [&] {
        for (const auto& each : looms_) admitted += send(*each) == 200 ? 1 : 0;
        return admitted >= 20;
    });
    for (int i = 0; i < 10; ++i)
        for (const auto& each : looms_) admitted += send(*each) == 200 ? 1 : 0;
    EXPECT_EQ(admitted, 20);
    for (const auto& each : looms_)
        wait_until("the sums of both", [&] {
            return contains(ask_once(each->loom->admin_port(), request("GET", "/ai/usage/tester")).body,
                            R"("requests":20)");
        });
    // It comes back after the server's end, with a handshake of its own.
    server_->stop();
    EXPECT_EQ(one.loom->eventually("loom_shared_store_up"), 0);
    server_->start();
    EXPECT_EQ(one.loom->eventually("loom_shared_store_up"), 1);
}

TEST_F(TlsRedis, OfAnAuthorityThatIsNotTrustedNobodyIsAsked) {
    serve();
    Authority others("Another CA");
    write("others.pem", others.pem());
    SharingLoom& one = add(address());
    one.conf.set("token_accounting.store.redis.tls.ca_file", file("others.pem"));
    expect_refused(one, "certificate");
}

TEST_F(TlsRedis, NorOneOfAnotherName) {
    issue("server", {.names = "DNS:redis.example", .common_name = "redis.example"});
    serve();
    expect_refused(add_trusting(), "certificate");
}

TEST_F(TlsRedis, AServerThatWantsACertificateIsShownOne) {
    serve(true);
    SharingLoom& one = add_trusting();
    one.conf.set("token_accounting.store.redis.tls.certificate", file("loom.crt"));
    one.conf.set("token_accounting.store.redis.tls.key", file("loom.key"));
    one.start();
    EXPECT_EQ(one.loom->eventually("loom_shared_store_up"), 1) << one.loom->log();
    SharingLoom& without = add_trusting();
    expect_refused(without, "token_accounting.store.redis");
}

TEST_F(TlsRedis, WithoutTlsItIsTold) {
    serve();
    expect_refused(add("redis://127.0.0.1:" + std::to_string(port_)), "token_accounting.store.redis");
    SharingLoom& other_way = add("rediss://localhost:" + std::to_string(server_->port()));
    other_way.conf.set("token_accounting.store.redis.tls.ca_file", file("ca.pem"));
    expect_refused(other_way, "token_accounting.store.redis");
}

}  // namespace
}  // namespace loom::wire
