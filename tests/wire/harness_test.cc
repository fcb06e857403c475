// The harness against itself: a RawClient asks a ScriptedUpstream, with no Loom between. If these fail, no other suite
// says anything.
#include <sys/socket.h>

#include "fixture.h"

namespace loom::wire {
namespace {

TEST(Harness, AnAnswerCutAtEveryByteReadsTheSame) {
    for (const Golden& golden : golden_streams()) {
        const std::string bytes = sse_answer(golden.events);
        size_t cut = 0;
        ScriptedUpstream upstream([&](UpstreamConnection& connection) {
            while (connection.read_request()) connection.send_cut_at(bytes, cut);
        });
        RawClient client(upstream.port());
        for (cut = 0; cut <= bytes.size(); ++cut) {
            EXPECT_EQ(client.ask(chat_request(stream_body)).body, golden.events) << golden.name << " cut at " << cut;
        }
        EXPECT_TRUE(upstream.failures().empty());
    }
}

TEST(Harness, TheBarrierWaitsForTheReader) {
    const Listening listening = listen_on_loopback();
    const Fd sender = connect_loopback(listening.port);
    const Fd reader(::accept(listening.fd.get(), nullptr, nullptr));
    ASSERT_TRUE(send_all(sender.get(), "unread"));
    EXPECT_THROW(wait_until_peer_has_read(sender.get(), Deadline::in(std::chrono::milliseconds(20))), WireError);
    std::string bytes;
    ASSERT_EQ(receive(reader.get(), bytes), Got::bytes);
    EXPECT_TRUE(wait_until_peer_has_read(sender.get()));
}

TEST(Harness, ResetAndFinAreToldApart) {
    ScriptedUpstream upstream([](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
        connection.wait_until_loom_has_read();
        connection.index() == 0 ? connection.reset() : connection.half_close();
    });
    EXPECT_EQ(ask_once(upstream.port(), chat_request(chat_body)).end, End::cut_by_rst);
    EXPECT_EQ(ask_once(upstream.port(), chat_request(chat_body)).end, End::cut_by_fin);
}

TEST(Harness, TheReaderRefusesWhatNoSenderMaySend) {
    const std::string_view bad[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nName : x\r\n\r\n",
        "HTTP/1.1 200 OK\r\n folded\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "NONSENSE\r\n\r\n",
    };
    for (const std::string_view bytes : bad) {
        ScriptedUpstream upstream(answer_always(std::string(bytes)));
        EXPECT_THROW(ask_once(upstream.port(), chat_request(chat_body)), WireError) << bytes;
    }
}

TEST(Harness, RecordsTheExactBytesAndJoinsItsThreads) {
    ScriptedUpstream upstream(answer_always(answer(chat_answer)));
    const std::string bytes = chat_request(chat_body, "X-Odd:   spaced  \r\n");
    EXPECT_EQ(ask_once(upstream.port(), bytes).body, chat_answer);
    EXPECT_EQ(upstream.request(0).raw(), bytes);
    EXPECT_EQ(upstream.received_bytes(), bytes.size());
}

TEST(Harness, MetricsAndEditedRuns) {
    const auto metrics = parse_metrics("# HELP a b\na{x=\"1 2\",y=\"q\"} 3\na{x=\"3\"} 4\nb 5e1\n");
    EXPECT_EQ(sum_where(metrics, "a"), 7);
    EXPECT_EQ(sum_where(metrics, "a", {"y=\"q\""}), 3);
    EXPECT_EQ(metrics.at("b"), 50);
    EXPECT_EQ(edited_run(R"({"model":"a","n":1})", R"({"model":"bcd","n":1})"), "bcd");
    EXPECT_EQ(json_text(R"({"error":{"message":"a \"b\"","code":null}})", "message"), R"(a \"b\")");
    EXPECT_EQ(json_text(R"({"error":{"code":null,"x":"y"}})", "code"), "");
}

}  // namespace
}  // namespace loom::wire
