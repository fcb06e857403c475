// Keys that no other suite turns: each does what its line in conf/loom.conf says.
#include <fmt/format.h>
#include <sys/socket.h>

#include <fstream>
#include <sstream>

#include "fixture.h"

namespace loom::wire {
namespace {

class Keys : public WireTest {
  protected:
    /// A plain route /web/* to the scripted upstream.
    void start_plain() {
        web_ = std::make_unique<ScriptedUpstream>(answer_always(answer("a page")));
        conf.set("route.web.path", "/web/*")
            .set("route.web.ai_gateway", "off")
            .set("route.web.upstream", web_->origin());
        conf.set("route.web.auth.type", "none");
        start_without_upstream();
    }
    std::string forwarded(std::string_view sent) {
        EXPECT_EQ(ask(request("GET", "/web/a", sent)).status(), 200);
        const Message got = web_->last_request();
        return fmt::format("{}|{}", got.head.value("x-forwarded-for"), got.head.value("x-forwarded-proto"));
    }
    std::unique_ptr<ScriptedUpstream> web_;
};

constexpr std::string_view of_a_proxy = "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n";

TEST_F(Keys, ForwardedHeadersAreAddedToWhereTheyAreBelieved) {
    conf.set("forwarded.trust", "127.0.0.0/8");
    start_plain();
    EXPECT_EQ(forwarded(of_a_proxy), "203.0.113.7, 127.0.0.1|https");
    EXPECT_EQ(forwarded(""), "127.0.0.1|http");
}

TEST_F(Keys, ForwardedHeadersOfAnybodyAreNot) {
    start_plain();
    EXPECT_EQ(forwarded(of_a_proxy), "127.0.0.1|http");
}

TEST_F(Keys, ForwardedHeadersAreWrittenAnew) {
    conf.set("forwarded.trust", "127.0.0.0/8").set("forwarded.headers", "replace");
    start_plain();
    EXPECT_EQ(forwarded("X-Forwarded-For: 203.0.113.7\r\n"), "127.0.0.1|http");
}

TEST_F(Keys, ForwardedHeadersAreLeftOut) {
    conf.set("forwarded.trust", "127.0.0.0/8").set("forwarded.headers", "off");
    start_plain();
    EXPECT_EQ(forwarded(""), "|");
}

TEST_F(Keys, WithoutBearerTheKeyComesInTheRoutesOwnHeader) {
    conf.set("route.ai.auth.bearer", "off").set("route.ai.auth.header", "X-Team-Key");
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 401) << "the client's key as a bearer token";
    const std::string own = fmt::format("X-Team-Key: {}\r\nContent-Type: application/json\r\n", client_key);
    EXPECT_EQ(ask(request("POST", "/v1/chat/completions", own, chat_body)).status(), 200);
    EXPECT_EQ(upstream().last_request().head.value("x-team-key"), "") << "it goes no further";
}

TEST_F(Keys, TheAnswersBoundIsToldWhereTheProviderMustHaveOne) {
    conf.set("provider.mock.type", "anthropic").set("translate.max_tokens_default", "777");
    start(answer_always(answer(R"({"id":"msg_1","type":"message","role":"assistant","model":"m","content":)"
                               R"([{"type":"text","text":"Hi"}],"stop_reason":"end_turn",)"
                               R"("usage":{"input_tokens":3,"output_tokens":2}})")));
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    EXPECT_TRUE(contains(upstream().last_request().body, "\"max_tokens\":777")) << upstream().last_request().body;
    EXPECT_EQ(
        ask(chat_request(R"({"model":"gpt-4o","max_tokens":5,"messages":[{"role":"user","content":"Hi"}]})")).status(),
        200);
    EXPECT_TRUE(contains(upstream().last_request().body, "\"max_tokens\":5")) << upstream().last_request().body;
}

TEST_F(Keys, AProvidersConnectTimeoutTakesThePlaceOfTheGeneral) {
    conf.set("timeout.connect", "60s").set("provider.mock.timeout.connect", "200ms");
    // A backlog that is full drops what knocks, as a firewall does.
    const Listening full = listen_on_loopback();
    ::listen(full.fd.get(), 0);
    const Fd filler = connect_loopback(full.port);
    conf.use_upstream(full.port);
    start_without_upstream();
    expect_error(ask(chat_request(chat_body)), 504);
}

/// Of the socket whose own port is `port` and which is connected: is the kernel's timer that of keep-alive?
bool probes(uint16_t port) {
    std::istringstream table(read_file("/proc/net/tcp"));
    const std::string own = fmt::format(":{:04X}", port);
    constexpr std::string_view established = "01", keepalive = "02";
    for (std::string line; std::getline(table, line);) {
        std::istringstream fields(line);
        std::string slot, local, remote, state, queues, timer;
        fields >> slot >> local >> remote >> state >> queues >> timer;
        if (local.ends_with(own) && state == established) return timer.starts_with(keepalive);
    }
    ADD_FAILURE() << "no connection of port " << port;
    return false;
}

TEST_F(Keys, TheKernelProbesIdleClientsOnlyWhereItIsToldTo) {
    start(answer_always(answer(chat_answer)));
    {
        RawClient idle = client();
        EXPECT_EQ(idle.ask(chat_request(chat_body)).status(), 200);
        wait_until("the timer of what was sent to end", [&] { return probes(loom().port()); }, Deadline::standard());
    }
    conf.set("tcp.keepalive", "0");
    start(answer_always(answer(chat_answer)));
    RawClient idle = client();
    EXPECT_EQ(idle.ask(chat_request(chat_body)).status(), 200);
    EXPECT_FALSE(probes(loom().port()));
}

}  // namespace
}  // namespace loom::wire
