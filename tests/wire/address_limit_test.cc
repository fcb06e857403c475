// limit.connections_per_address: who floods from one address keeps nobody else out.
#include "fixture.h"

namespace loom::wire {
namespace {

constexpr const char* over_limit = "loom_connections_over_address_limit_total";

class AddressLimit : public WireTest {
  protected:
    RawClient client_from(uint8_t host) { return RawClient(connect_loopback_from(host, loom().port())); }
    /// Connections that have been served: Loom counts them for certain.
    std::vector<RawClient> served_from(uint8_t host, size_t count) {
        std::vector<RawClient> clients;
        while (clients.size() < count) {
            clients.push_back(client_from(host));
            EXPECT_EQ(clients.back().ask(chat_request(chat_body)).status(), 200);
        }
        return clients;
    }
    void expect_closed_at_once(uint8_t host) { EXPECT_NE(client_from(host).read_end(), End::open) << "without a byte"; }
    bool is_served(uint8_t host) {
        try {
            return client_from(host).ask(chat_request(chat_body)).status() == 200;
        } catch (const WireError&) {
            return false;
        }
    }
};

TEST_F(AddressLimit, AFloodFromOneAddressKeepsNobodyElseOut) {
    conf.set("limit.connections", "8").set("limit.connections_per_address", "5");
    start(answer_always(answer(chat_answer)));
    auto flood = served_from(1, 5);
    for (int count = 0; count < 40; ++count) expect_closed_at_once(1);
    EXPECT_EQ(loom().eventually(over_limit), 40);
    EXPECT_EQ(loom().eventually("loom_connections_open"), 5);
    const auto others = served_from(2, 3);
    EXPECT_TRUE(contains(loom().log(), "127.0.0.1 has 5 connections")) << loom().log();
    EXPECT_EQ(loom().log().find("127.0.0.1 has"), loom().log().rfind("127.0.0.1 has")) << "said once, not 40 times";

    flood.clear();
    wait_until("the address to have room again", [&] { return is_served(1); });
}

TEST_F(AddressLimit, EachShardAllowsItsPartRoundedUp) {
    conf.set("loop.shards", "2").set("limit.connections_per_address", "3");
    start(answer_always(answer(chat_answer)));
    std::vector<RawClient> open;  // whichever shards the kernel chooses
    for (int count = 0; count < 100; ++count) open.push_back(client_from(1));
    wait_until("all to be taken or closed",
               [&] { return loom().metric(over_limit) + loom().metric("loom_connections_open") == 100; });
    EXPECT_EQ(loom().eventually("loom_connections_open"), 4);
    EXPECT_TRUE(is_served(2));
}

TEST_F(AddressLimit, IsOffUnlessItIsSet) {
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(served_from(1, 50).size(), 50u);
    EXPECT_EQ(loom().eventually(over_limit), 0);
}

TEST_F(AddressLimit, AProxyThatIsTrustedStandsForMany) {
    conf.set("limit.connections_per_address", "1").set("forwarded.trust", "127.0.0.2/32");
    start(answer_always(answer(chat_answer)));
    const auto behind_proxy = served_from(2, 10);
    const auto direct = served_from(1, 1);
    expect_closed_at_once(1);
}

TEST_F(AddressLimit, AUnixSocketHasNoAddress) {
    conf.set("limit.connections_per_address", "1").set("listener.local.address", "unix:@DIR@/loom.sock");
    start(answer_always(answer(chat_answer)));
    std::vector<RawClient> local;
    while (local.size() < 5) {
        local.emplace_back(connect_unix(loom().path("loom.sock")));
        EXPECT_EQ(local.back().ask(chat_request(chat_body)).status(), 200);
    }
}

/// Those that the kernel hands over in one go, behind the one that fills the shard, wait as open descriptors: they are
/// counted there too, or one address would hold all that the backlog does.
TEST_F(AddressLimit, CountsThoseWhoWaitForRoom) {
    conf.set("limit.connections", "1").set("limit.connections_per_address", "3");
    start(answer_always(answer(chat_answer)));
    auto first = served_from(1, 1);
    std::vector<RawClient> flood;
    for (int count = 0; count < 10; ++count) flood.push_back(client_from(2));
    first.clear();
    wait_until("the flood to be counted", [&] { return loom().metric(over_limit) == 7; });
    flood.clear();
    wait_until("the address to have room again", [&] { return is_served(2); });
}

/// The kernel still hands over a connection that was reset in the backlog. It has no peer: it is nobody's, not "unix".
TEST_F(AddressLimit, WhoResetsBeforeBeingAcceptedIsNobody) {
    conf.set("limit.connections", "1").set("limit.connections_per_address", "1");
    start(answer_always(answer(chat_answer)));
    auto first = served_from(1, 1);
    for (int count = 0; count < 3; ++count) {
        Fd waiting = connect_loopback_from(2, loom().port());
        ASSERT_TRUE(send_all(waiting.get(), "nonsense\r\n\r\n"));
        waiting.reset();
    }
    first.clear();
    wait_until("them to be found gone", [&] { return loom().metric("loom_connections_gone_total") == 3; });
    EXPECT_EQ(served_from(2, 1).size(), 1u);
    EXPECT_EQ(loom().access_log().find("unix"), std::string::npos) << loom().access_log();
    EXPECT_EQ(loom().eventually("loom_connections_refused_total"), 0);
}

TEST_F(AddressLimit, AReloadChangesItForNewConnections) {
    conf.set("limit.connections_per_address", "4");
    start(answer_always(answer(chat_answer)));
    auto flood = served_from(1, 4);
    conf.set("limit.connections_per_address", "2");
    loom().reload(conf.text());
    for (auto& one : flood) EXPECT_EQ(one.ask(chat_request(chat_body)).status(), 200) << "who is in stays";
    expect_closed_at_once(1);
    conf.set("limit.connections_per_address", "");
    loom().reload(conf.text());
    const auto more = served_from(1, 10);
    flood.clear();
    wait_until("the counted to go, and no others", [&] { return loom().metric("loom_connections_open") == 10; });
}

}  // namespace
}  // namespace loom::wire
